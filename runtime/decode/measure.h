// Timed prefill and decode runs, and the device's own rates to hold them against.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/decode/batch.h"
#include "runtime/decode/session.h"

namespace regroup {

struct Timing {
  double seconds = 0;
  double cpu_seconds = 0;  // of this process, all threads: what a CPU driver worked, however loaded the machine is
};

// What `work` takes.
Timing time_of(const std::function<void()>& work);

// One prefill of `count` tokens after `depth` cached ones, which are constants (Session::assume_context): the session's
// sequence is lost, and no depth takes time to reach.
Timing measure_prefill(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel);
// Decoding `count` tokens one by one after `depth` such tokens.
Timing measure_decode(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel);
// `count` steps of all sequences of the batch, each after `depth` such tokens.
Timing measure_decode(Batch& batch, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel);

// The same on what a session really holds: fills its cache up to `depth` tokens (rewinding it where it holds more),
// then seconds of one prefill of `count` tokens, or of decoding them one by one, after them.
void fill_to_depth(Session& session, std::uint32_t depth, const CancelFlag* cancel);
double time_prefill(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel);
double time_decode(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel);

// Bytes per second that the device copies between two buffers, reads and writes counted; the best of several runs of
// about `bytes`, on GPUs of more.
double copy_bandwidth(Device& device, std::uint64_t bytes = 64u << 20);

// Floating-point operations per second of the device's best matrix product: f32, weights that stay in its caches, many
// tokens; the best of several runs.
double multiply_rate(Device& device, const KernelProfile& profile);

struct Summary {
  double mean = 0;
  double deviation = 0;  // of the sample; 0 for a single value
};
Summary summarise(std::span<const double> values);

// The probability that two samples whose means differ as these do (or more) come from equal means: Welch's t-test,
// two-sided. 1 where a sample has fewer than two values.
double welch_p_value(std::span<const double> a, std::span<const double> b);

}  // namespace regroup
