// Speed of decode attention for 32 query heads over fewer and fewer groups, and of prefill, under the device's own
// kernel profile (or $REGROUP_PROFILE): what sharing K and V rows brings.
//
// CPU drivers compute in this process, so process CPU time beside wall time tells the machine's load from the kernel's
// speed. us_per_core is the mean process CPU time, us the least wall time; compare them between groups of one shape.
// KV_MB is what the cache of that many groups holds.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "runtime/gpu/command_list.h"
#include "runtime/gpu/instance.h"
#include "runtime/gpu/transfer.h"
#include "runtime/ops/attention.h"

namespace regroup {
namespace {

struct Bench {
  Instance instance;
  std::unique_ptr<Device> device = Device::open(instance);
  KernelProfile profile = std::getenv("REGROUP_PROFILE") ? kernel_profile_named(*device, std::getenv("REGROUP_PROFILE"))
                                                         : kernel_profile(*device);
};

struct Shape {
  CacheType type;
  std::uint32_t query_heads, groups, head_dim, length, tokens;
};

double process_cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void attend(benchmark::State& state, Bench& bench, const Shape& shape) {
  Device& device = *bench.device;
  Arena arena(device, MemoryUse::kDevice, "bench");
  const std::uint32_t capacity = (shape.length + kPositionStep - 1) / kPositionStep * kPositionStep;
  const std::uint32_t width = shape.query_heads * shape.head_dim;
  Buffer& q = arena.buffer(std::uint64_t{4} * width * shape.tokens, "q");
  Buffer& out = arena.buffer(std::uint64_t{4} * width * shape.tokens, "out");
  Buffer& positions = arena.buffer(std::uint64_t{4} * shape.tokens, "positions");
  Buffer& scratch = arena.buffer(
      attention_scratch_bytes(device, bench.profile, shape.query_heads, shape.head_dim, shape.tokens), "scratch");
  std::vector<std::uint32_t> at(shape.tokens);
  for (std::uint32_t t = 0; t < shape.tokens; ++t) at[t] = shape.length - shape.tokens + t;
  upload_values<std::uint32_t>(device, positions, at);
  CommandList list(device);
  KvCacheLayer cache = {shape.type, shape.groups, shape.head_dim, capacity, {}};
  const std::uint64_t group_bytes = KvCacheLayout{shape.type, 1, shape.head_dim, capacity}.bytes();
  const auto most_groups = static_cast<std::uint32_t>(device.features().max_storage_buffer_range / group_bytes);
  for (std::uint32_t first = 0; first < shape.groups; first += most_groups) {
    const KvCacheLayout layout = {shape.type, std::min(most_groups, shape.groups - first), shape.head_dim, capacity};
    Buffer& slice = arena.buffer(layout.bytes(), "cache");
    // Every cache type reads these bytes as numbers of ordinary size.
    list.fill(slice, 0x2c2c2c2cu);
    cache.slices.push_back({slice, first, layout});
  }
  list.fill(q, 0x3c3c3c3cu);
  list.run();
  list.reset();
  record(list, bench.profile,
         Attention{.q = {q, 0, width},
                   .out = {out, 0, width},
                   .positions = positions,
                   .cache = cache,
                   .query_heads = shape.query_heads,
                   .head_dim = shape.head_dim,
                   .tokens = shape.tokens,
                   .scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim)),
                   .longest_context = shape.length,
                   .scratch = scratch});
  list.run();  // compiles

  double least_wall = 1e30, total_cpu = 0;
  for (auto _ : state) {
    const double cpu = process_cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    list.run();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    least_wall = std::min(least_wall, wall.count());
    total_cpu += process_cpu_seconds() - cpu;
  }
  const double positions_seen = shape.tokens * (shape.length - 0.5 * (shape.tokens - 1));
  const double flops = 4.0 * width * positions_seen;
  state.counters["us"] = least_wall * 1e6;
  // The mean: the kernel charges a worker's time late, which makes the least one meaningless.
  const double mean_cpu = total_cpu / static_cast<double>(state.iterations());
  state.counters["us_per_core"] = mean_cpu * 1e6;
  state.counters["GFLOP/s"] = flops / least_wall / 1e9;
  state.counters["GFLOP/s_per_core"] = flops / mean_cpu / 1e9;
  state.counters["KV_MB"] = static_cast<double>(group_bytes * shape.groups) / 1e6;
}

void add(Bench& bench, const Shape& shape) {
  const std::string name = fmt::format("{}/{}/H{}/D{}/L{}/T{}/G{}", bench.profile.name, cache_type_name(shape.type),
                                       shape.query_heads, shape.head_dim, shape.length, shape.tokens, shape.groups);
  benchmark::RegisterBenchmark(name.c_str(), [&bench, shape](benchmark::State& state) { attend(state, bench, shape); })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace
}  // namespace regroup

int main(int argc, char** argv) {
  using namespace regroup;
  benchmark::Initialize(&argc, argv);
  Bench bench;
  benchmark::AddCustomContext("device", bench.device->info().name);
  for (const CacheType type : {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0, CacheType::kQ4_0}) {
    for (const std::uint32_t head_dim : {64u, 128u}) {
      for (const std::uint32_t length : {512u, 2048u, 8192u}) {
        for (const std::uint32_t groups : {32u, 16u, 8u, 4u, 2u, 1u})
          add(bench, {type, 32, groups, head_dim, length, 1});
      }
      for (const std::uint32_t groups : {32u, 8u, 1u}) add(bench, {type, 32, groups, head_dim, 512, 128});
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
