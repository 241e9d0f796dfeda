// Timed prefill and decode runs on a session, and the device's own copy bandwidth to hold them against.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/decode/session.h"

namespace regroup {

// Seconds of one prefill of `count` tokens after `depth` cached ones (the session is rewound to `depth` first and must
// hold that many).
double time_prefill(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel);

// Seconds of decoding `count` tokens one by one after `depth` cached ones.
double time_decode(Session& session, std::uint32_t depth, std::uint32_t count, const CancelFlag* cancel);

// Fills the cache of a fresh or rewound session up to `depth` tokens.
void fill_to_depth(Session& session, std::uint32_t depth, const CancelFlag* cancel);

// Bytes per second that the device copies between two buffers, reads and writes counted; the best of several runs of
// about `bytes`.
double copy_bandwidth(Device& device, std::uint64_t bytes = 64u << 20);

struct Summary {
  double mean = 0;
  double deviation = 0;  // of the sample; 0 for a single value
};
Summary summarise(std::span<const double> values);

}  // namespace regroup
