#include "runtime/gpu/driver_threads.h"

#ifdef __linux__
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace regroup {
namespace {

// Long enough to tell workers from the thread that wakes them, and soon enough to matter.
constexpr double kObservedMs = 200;
// A worker spends at least this share of the busiest one's time; the thread that only wakes them less.
constexpr double kLeastShare = 0.5;
constexpr double kMostShareOfOthers = 0.8;
// The thread that wakes the workers spends more than this, others less.
constexpr double kLeastShareOfSubmitter = 0.05;
constexpr int kMostLooks = 20;

void move_to_core(pid_t thread, int core) {
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(core, &own);
  // Where it is refused, the thread stays where it was: slower, not wrong.
  sched_setaffinity(thread, sizeof own, &own);
}

}  // namespace

DriverThreads::RunTimes DriverThreads::run_times() {
  RunTimes times;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", error)) {
    const std::string name = entry.path().filename().string();
    long thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    std::uint64_t ns = 0;
    // A thread may end meanwhile.
    if (std::ifstream(entry.path() / "schedstat") >> ns && thread > 0) times[thread] = ns;
  }
  return times;
}

bool DriverThreads::bind(const RunTimes& before, const RunTimes& now) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
  const auto cores = static_cast<std::size_t>(CPU_COUNT(&allowed));
  std::vector<std::pair<std::uint64_t, long>> spent;
  for (const auto& [thread, ns] : now) {
    const auto earlier = before.find(thread);
    if (thread != gettid()) spent.emplace_back(ns - (earlier == before.end() ? 0 : earlier->second), thread);
  }
  std::sort(spent.rbegin(), spent.rend());
  if (cores < 2 || spent.size() < cores || spent[0].first == 0) return false;
  const auto share = [&](std::size_t i) {
    return i < spent.size() ? static_cast<double>(spent[i].first) / static_cast<double>(spent[0].first) : 0.0;
  };
  if (share(cores - 1) < kLeastShare || share(cores) > kMostShareOfOthers * share(cores - 1)) return false;
  std::size_t worker = 0;
  for (int core = 0; core < CPU_SETSIZE && worker < cores; ++core) {
    if (!CPU_ISSET(core, &allowed)) continue;
    move_to_core(static_cast<pid_t>(spent[worker].second), core);
    if (worker == 0 && share(cores) > kLeastShareOfSubmitter) {
      move_to_core(static_cast<pid_t>(spent[cores].second), core);
    }
    ++worker;
  }
  return true;
}

void DriverThreads::waited(double ms) {
  if (settled_) return;
  const std::lock_guard lock(mutex_);
  if (settled_) return;
  if (before_.empty()) {
    before_ = run_times();
    settled_ = before_.empty();
    return;
  }
  waited_ms_ += ms;
  if (waited_ms_ < kObservedMs) return;
  const RunTimes now = run_times();
  settled_ = bind(before_, now) || ++looks_ == kMostLooks;
  before_ = now;
  waited_ms_ = 0;
}

}  // namespace regroup
#else
namespace regroup {

void DriverThreads::waited(double) {
  settled_ = true;
}

}  // namespace regroup
#endif
