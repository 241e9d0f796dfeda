// How long the operating system takes to wake a thread on another core that idles: some microseconds on a bare machine,
// 30 in a virtual one whose idle cores are given back to the host. A CPU driver pays it for each dispatch.
#pragma once

#include <string_view>

namespace regroup {

// Measured once per process by two threads that wake each other, in some milliseconds; us. 0 where it is unknown: with
// fewer than two cores, or beyond Linux. On a busy machine the lower quartile of many wakes still is near the truth,
// and no more than 60 us is ever told.
double wake_lag_us();

// Whether this driver has exactly two workers, which are given the halves of each dispatch: lavapipe on two cores, as
// its own rule for LP_NUM_THREADS says.
bool has_two_workers(std::string_view driver_name);

}  // namespace regroup
