#include "runtime/decode/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

#include "runtime/core/error.h"

namespace regroup {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Any ids will do: the work does not depend on them. A fixed seed keeps runs comparable.
std::vector<std::uint32_t> some_tokens(const Session& session, std::uint32_t count) {
  std::mt19937 random(1234);
  std::vector<std::uint32_t> tokens(count);
  for (std::uint32_t& token : tokens)
    token = static_cast<std::uint32_t>(random() % session.model().config().vocabulary);
  return tokens;
}

}  // namespace

void fill_to_depth(Session& session, std::uint32_t depth, const CancelFlag* cancel) {
  session.rewind(std::min(session.position(), depth));
  if (session.position() < depth) session.prefill(some_tokens(session, depth - session.position()), cancel);
}

double time_prefill(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel) {
  session.rewind(depth);
  const auto tokens = some_tokens(session, count);
  const auto start = Clock::now();
  session.prefill(tokens, cancel);
  return seconds_since(start);
}

double time_decode(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel) {
  session.rewind(depth);
  session.prefill(some_tokens(session, 1), cancel);
  const auto start = Clock::now();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (cancelled(cancel)) throw_error(ErrorCode::kInterrupted, "stopped while measuring");
    session.decode();
  }
  return seconds_since(start);
}

double copy_bandwidth(Device& device, std::uint64_t bytes) {
  bytes = std::min({bytes, device.features().max_storage_buffer_range, device.features().max_allocation_bytes});
  Arena arena(device, MemoryUse::kDevice, "bandwidth");
  const Buffer& from = arena.buffer(bytes, "from");
  const Buffer& to = arena.buffer(bytes, "to");
  CommandList list(device);
  list.fill(from, 0x3f800000);
  list.run();
  list.reset();
  list.copy(from, to);
  double best = 1e30;
  for (int i = 0; i < 5; ++i) {
    const auto start = Clock::now();
    list.run();
    best = std::min(best, seconds_since(start));
  }
  return 2.0 * static_cast<double>(bytes) / best;
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

}  // namespace regroup
