// Speed of products with weight matrices, per format, shape and number of tokens, under the device's own kernel profile
// (or $REGROUP_PROFILE).
//
// CPU drivers compute in this process, so process CPU time beside wall time tells the machine's load from the kernel's
// speed: GB/s and GFLOP/s are by wall time, their _per_core twins by process CPU time. The least of several repetitions
// is the figure to compare.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "runtime/gpu/command_list.h"
#include "runtime/gpu/instance.h"
#include "runtime/gpu/transfer.h"
#include "runtime/ops/linear.h"

namespace regroup {
namespace {

struct Bench {
  Instance instance;
  std::unique_ptr<Device> device = Device::open(instance);
  KernelProfile profile = std::getenv("REGROUP_PROFILE") ? kernel_profile_named(*device, std::getenv("REGROUP_PROFILE"))
                                                         : kernel_profile(*device);
};

struct Shape {
  std::uint32_t rows, columns;
};
constexpr Shape kShapes[] = {{576, 576},   {960, 576},    {3072, 576}, {576, 1536},
                             {49152, 576}, {262144, 640}, {4096, 4096}};

double process_cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void product(benchmark::State& state, Bench& bench, WeightFormat format, Shape shape, std::uint32_t tokens, bool norm) {
  Device& device = *bench.device;
  Arena arena(device, MemoryUse::kDevice, "bench");
  const PanelLayout layout{format, shape.rows, shape.columns, bench.profile.panel_rows};
  Linear op;
  op.weight = allocate_matrix(device, arena, layout, "weights");
  CommandList list(device);
  // Every format reads these bytes as numbers of ordinary size.
  for (const WeightSlice& slice : op.weight.slices) list.fill(slice.panels, 0x3c3c3c3cu);
  const std::uint32_t padded = 32 * layout.blocks();
  Buffer& x = arena.buffer(std::uint64_t{4} * padded * tokens, "x");
  Buffer& y = arena.buffer(std::uint64_t{4} * shape.rows * tokens, "y");
  list.fill(x, 0x3c3c3c3cu);
  op.x = {x, 0, padded};
  op.y = {y, 0, shape.rows};
  op.tokens = tokens;
  if (norm) {
    op.norm_gain = BufferView(x, 0, std::uint64_t{4} * padded);
    op.norm_epsilon = 1e-5f;
  }
  list.run();
  list.reset();

  // About 0.1 GFLOP of work per submission, lest the submission itself be measured.
  const double flops = 2.0 * shape.rows * shape.columns * tokens;
  const int repeats = std::clamp(static_cast<int>(1e8 / flops), 1, 100);
  for (int i = 0; i < repeats; ++i) record(list, bench.profile, op);
  list.run();  // compiles

  double least_wall = 1e30, least_cpu = 1e30;
  for (auto _ : state) {
    const double cpu = process_cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    list.run();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    least_wall = std::min(least_wall, wall.count() / repeats);
    least_cpu = std::min(least_cpu, (process_cpu_seconds() - cpu) / repeats);
  }
  const auto bytes = static_cast<double>(layout.bytes());
  state.counters["GB/s"] = bytes / least_wall * 1e-9;
  state.counters["GFLOP/s"] = flops / least_wall * 1e-9;
  state.counters["GB/s_per_core"] = bytes / least_cpu * 1e-9;
  state.counters["GFLOP/s_per_core"] = flops / least_cpu * 1e-9;
  state.counters["us"] = least_wall * 1e6;
  state.counters["cpu_us"] = least_cpu * 1e6;
}

void add_all(Bench& bench) {
  for (const WeightFormatInfo& format : all_weight_formats()) {
    for (const Shape shape : kShapes) {
      if (shape.columns % format.block_elements != 0) continue;
      for (const std::uint32_t tokens : {1u, 4u, 32u, 128u}) {
        if (tokens > 1 && shape.rows >= 49152) continue;
        if (tokens > 32 && shape.rows == 4096) continue;
        for (const bool norm : {false, true}) {
          if (norm && tokens > 1) continue;
          const std::string name =
              fmt::format("{}/{}x{}/tokens:{}{}", format.name, shape.rows, shape.columns, tokens, norm ? "/norm" : "");
          benchmark::RegisterBenchmark(name.c_str(), [&bench, &format, shape, tokens, norm](benchmark::State& state) {
            product(state, bench, format.format, shape, tokens, norm);
          })->UseRealTime();
        }
      }
    }
  }
}

}  // namespace
}  // namespace regroup

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  regroup::Bench bench;
  benchmark::AddCustomContext("device", bench.device->info().name);
  benchmark::AddCustomContext("profile", std::string(bench.profile.name));
  regroup::add_all(bench);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
