// Speed of products of two f32 matrices, in the shapes of passes over calibration tokens, under the device's own kernel
// profile (or $REGROUP_PROFILE). CPU drivers compute in this process: GFLOP/s by wall time, GFLOP/s_per_core by process
// CPU time; the least of several repetitions is the figure to compare.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "runtime/gpu/command_list.h"
#include "runtime/gpu/instance.h"
#include "runtime/ops/matrix_product.h"

namespace regroup {
namespace {

struct Bench {
  Instance instance;
  std::unique_ptr<Device> device = Device::open(instance);
  KernelProfile profile = std::getenv("REGROUP_PROFILE") ? kernel_profile_named(*device, std::getenv("REGROUP_PROFILE"))
                                                         : kernel_profile(*device);
};

double process_cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Buffers long enough for any of the operands.
void product(benchmark::State& state, Bench& bench, MatrixProduct op, double flops) {
  Device& device = *bench.device;
  Arena arena(device, MemoryUse::kDevice, "bench");
  CommandList list(device);
  const auto place = [&](MatrixView& view, std::uint32_t rows, std::uint32_t columns) {
    if (view.stride == 0) view.stride = columns;
    const std::uint64_t outer = op.batches / op.inner_batches, inner = op.inner_batches / view.divisor;
    const std::uint64_t elements =
        std::max(outer * view.outer_stride, inner * view.inner_stride) + std::uint64_t{rows} * view.stride;
    view.buffer = arena.buffer(4 * elements, "matrix");
    list.fill(view.buffer, 0x3c3c3c3cu);
  };
  place(op.left, op.left_transposed ? op.depth : op.rows, op.left_transposed ? op.rows : op.depth);
  place(op.right, op.right_transposed ? op.columns : op.depth, op.right_transposed ? op.depth : op.columns);
  place(op.result, op.rows, op.columns);
  list.run();
  list.reset();
  record(list, bench.profile, op);
  list.run();  // compiles
  double least_wall = 1e30, least_cpu = 1e30;
  for (auto _ : state) {
    const double cpu = process_cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    list.run();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    least_wall = std::min(least_wall, wall.count());
    least_cpu = std::min(least_cpu, process_cpu_seconds() - cpu);
  }
  state.counters["GFLOP/s"] = flops / least_wall * 1e-9;
  state.counters["GFLOP/s_per_core"] = flops / least_cpu * 1e-9;
  state.counters["us"] = least_wall * 1e6;
}

void add(Bench& bench, const std::string& name, const MatrixProduct& op) {
  double flops = 2.0 * op.batches * op.rows * op.columns * op.depth;
  if (op.triangle != Triangle::kNone) flops /= 2;
  benchmark::RegisterBenchmark(name.c_str(), [&bench, op, flops](benchmark::State& state) {
    product(state, bench, op, flops);
  })->UseRealTime();
}

}  // namespace
}  // namespace regroup

int main(int argc, char** argv) {
  using namespace regroup;
  benchmark::Initialize(&argc, argv);
  Bench bench;
  benchmark::AddCustomContext("device", bench.device->info().name);
  benchmark::AddCustomContext("profile", std::string(bench.profile.name));
  const std::uint32_t tokens = 2048, d = 576, heads = 9, D = 64, T = 256, sequences = tokens / T;
  add(bench, "project/x W^T", {.rows = tokens, .columns = d, .depth = d, .right_transposed = true});
  add(bench, "project back/dy W", {.rows = tokens, .columns = d, .depth = d});
  add(bench, "weight gradient/dy^T x", {.rows = d, .columns = d, .depth = tokens, .left_transposed = true});
  const auto batched = [&](MatrixProduct op) {
    op.batches = sequences * heads;
    op.inner_batches = heads;
    return op;
  };
  const MatrixView queries{.stride = heads * D, .outer_stride = T * heads * D, .inner_stride = D};
  const MatrixView keys{.stride = D, .outer_stride = T * D, .inner_stride = D, .divisor = heads};
  const MatrixView square{.stride = T, .outer_stride = heads * T * T, .inner_stride = T * T};
  add(bench, "logits/q k^T",
      batched({.left = queries,
               .right = keys,
               .result = square,
               .rows = T,
               .columns = T,
               .depth = D,
               .right_transposed = true,
               .triangle = Triangle::kResultLower}));
  add(bench, "attend/p v",
      batched({.left = square,
               .right = keys,
               .result = queries,
               .rows = T,
               .columns = D,
               .depth = T,
               .triangle = Triangle::kLeftLower}));
  add(bench, "attend back/p^T dy",
      batched({.left = square,
               .right = queries,
               .result = queries,
               .rows = T,
               .columns = D,
               .depth = T,
               .left_transposed = true,
               .triangle = Triangle::kLeftLower}));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
