#include "runtime/decode/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <random>

#include "runtime/core/error.h"
#include "runtime/ops/linear.h"

namespace regroup {
namespace {

// Any ids will do: the work does not depend on them. A fixed seed keeps runs comparable.
std::vector<std::uint32_t> some_tokens(const Session& session, std::uint32_t count) {
  std::mt19937 random(1234);
  std::vector<std::uint32_t> tokens(count);
  for (std::uint32_t& token : tokens)
    token = static_cast<std::uint32_t>(random() % session.model().config().vocabulary);
  return tokens;
}

double process_cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

void stop_if(const CancelFlag* cancel) {
  if (cancelled(cancel)) throw_error(ErrorCode::kInterrupted, "stopped while measuring");
}

// The regularised incomplete beta function by its continued fraction (Press et al., Numerical Recipes, section 6.4).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x);
  constexpr double kTiny = 1e-300;
  const auto away_from_zero = [](double v) { return std::fabs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), fraction = d;
  for (int m = 1; m <= 300; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    const double step = d * c;
    fraction *= step;
    if (std::fabs(step - 1) < 1e-14) break;
  }
  const double front = std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x);
  return std::exp(front) * fraction / a;
}

}  // namespace

Timing time_of(const std::function<void()>& work) {
  const double cpu = process_cpu_seconds();
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  return {wall.count(), process_cpu_seconds() - cpu};
}

Timing measure_prefill(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel) {
  session.assume_context(depth);
  const auto tokens = some_tokens(session, count);
  return time_of([&] { session.prefill(tokens, cancel); });
}

Timing measure_decode(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel) {
  session.assume_context(depth);
  return time_of([&] {
    for (std::uint32_t i = 0; i < count; ++i) {
      stop_if(cancel);
      session.decode();
    }
  });
}

Timing measure_decode(Batch& batch, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel) {
  batch.assume_context(depth);
  return time_of([&] {
    for (std::uint32_t i = 0; i < count; ++i) {
      stop_if(cancel);
      batch.decode();
    }
  });
}

void fill_to_depth(Session& session, std::uint32_t depth, const CancelFlag* cancel) {
  session.rewind(std::min(session.position(), depth));
  if (session.position() < depth) session.prefill(some_tokens(session, depth - session.position()), cancel);
}

double time_prefill(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel) {
  session.rewind(depth);
  const auto tokens = some_tokens(session, count);
  return time_of([&] { session.prefill(tokens, cancel); }).seconds;
}

double time_decode(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel) {
  session.rewind(depth);
  session.prefill(some_tokens(session, 1), cancel);
  return time_of([&] {
           for (std::uint32_t i = 0; i < count; ++i) {
             stop_if(cancel);
             session.decode();
           }
         })
      .seconds;
}

double copy_bandwidth(Device& device, std::uint64_t bytes) {
  // A GPU would spend most of a small copy on the submission, and serve it from its caches.
  const bool cpu = device.info().type == DeviceType::kCpu;
  // Where nothing is free, the least that can be copied at all: then the driver says that memory ran out.
  constexpr std::uint64_t kLeastBytes = 1u << 20;
  if (!cpu) bytes = std::max(std::min<std::uint64_t>(8 * bytes, device.free_memory_bytes() / 4), kLeastBytes);
  const int copies = cpu ? 1 : 8;
  bytes = std::min({bytes, device.features().max_storage_buffer_range, device.features().max_allocation_bytes});
  Arena arena(device, MemoryUse::kDevice, "bandwidth");
  const Buffer& from = arena.buffer(bytes, "from");
  const Buffer& to = arena.buffer(bytes, "to");
  CommandList list(device);
  list.fill(from, 0x3f800000);
  list.run();
  list.reset();
  for (int i = 0; i < copies; ++i) list.copy(from, to);
  double best = 1e30;
  for (int i = 0; i < 5; ++i) best = std::min(best, time_of([&] { list.run(); }).seconds);
  return 2.0 * copies * static_cast<double>(bytes) / best;
}

double multiply_rate(Device& device, const KernelProfile& profile) {
  const bool cpu = device.info().type == DeviceType::kCpu;
  // A CPU driver's caches hold 1 MiB with ease; a GPU needs work for all of its multiprocessors.
  const std::uint32_t rows = cpu ? 512 : 4096, columns = cpu ? 512 : 2048, tokens = cpu ? 128 : 512;
  Arena arena(device, MemoryUse::kDevice, "multiply rate");
  const WeightMatrix weight =
      allocate_matrix(device, arena, {WeightFormat::kF32, rows, columns, profile.panel_rows}, "weights");
  const Buffer& x = arena.buffer(std::uint64_t{4} * tokens * columns, "x");
  const Buffer& y = arena.buffer(std::uint64_t{4} * tokens * rows, "y");
  CommandList list(device);
  for (const WeightSlice& slice : weight.slices) list.fill(slice.panels, 0x3c000000);
  list.fill(x, 0x3f800000);
  list.run();
  list.reset();
  record(list, profile, Linear{.weight = weight, .x = {x, 0, columns}, .y = {y, 0, rows}, .tokens = tokens});
  list.run();  // compiles
  double best = 1e30;
  for (int i = 0; i < 5; ++i) best = std::min(best, time_of([&] { list.run(); }).seconds);
  return 2.0 * rows * columns * tokens / best;
}

Summary summarise(std::span<const double> values) {
  Summary summary;
  for (const double value : values) summary.mean += value;
  summary.mean /= static_cast<double>(std::max<std::size_t>(values.size(), 1));
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  if (values.size() > 1) summary.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return summary;
}

double welch_p_value(std::span<const double> a, std::span<const double> b) {
  if (a.size() < 2 || b.size() < 2) return 1;
  const Summary first = summarise(a), second = summarise(b);
  const double va = first.deviation * first.deviation / static_cast<double>(a.size());
  const double vb = second.deviation * second.deviation / static_cast<double>(b.size());
  if (va + vb == 0) return first.mean == second.mean ? 1 : 0;
  const double t = (first.mean - second.mean) / std::sqrt(va + vb);
  const double freedom = (va + vb) * (va + vb) /
                         (va * va / static_cast<double>(a.size() - 1) + vb * vb / static_cast<double>(b.size() - 1));
  return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
}

}  // namespace regroup
