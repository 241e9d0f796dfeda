#include "runtime/gpu/wake_lag.h"

#include <cstdlib>
#include <thread>

#ifdef __linux__
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <vector>
#endif

namespace regroup {

bool has_two_workers(std::string_view driver_name) {
  if (!driver_name.starts_with("llvmpipe")) return false;
  const char* asked = std::getenv("LP_NUM_THREADS");
  return (asked != nullptr ? std::atoi(asked) : static_cast<int>(std::thread::hardware_concurrency())) == 2;
}

#ifdef __linux__
namespace {

constexpr int kWakes = 64;
constexpr double kMostUs = 60;

double measure() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) return 0;
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE && cores.size() < 2; ++core) {
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  }
  using Clock = std::chrono::steady_clock;
  std::mutex mutex;
  std::condition_variable turned;
  int turn = 0;
  bool alone = false;
  std::vector<double> lags;  // of wakes by either thread; written by whose turn it is
  lags.reserve(2 * kWakes);  // an exception in a thread would end the program
  Clock::time_point handed_over = Clock::now();
  const auto wake_each_other = [&](int own) {
    cpu_set_t core;
    CPU_ZERO(&core);
    CPU_SET(cores[static_cast<std::size_t>(own)], &core);
    sched_setaffinity(0, sizeof core, &core);
    std::unique_lock lock(mutex);
    for (int i = 0; i < kWakes; ++i) {
      turned.wait(lock, [&] { return turn == own || alone; });
      if (alone) return;
      const auto now = Clock::now();
      lags.push_back(std::chrono::duration<double, std::micro>(now - handed_over).count());
      // Long enough for the other core to fall idle.
      while (Clock::now() - now < std::chrono::microseconds(20)) {
      }
      turn = 1 - own;
      handed_over = Clock::now();
      turned.notify_one();
    }
  };
  std::thread threads[2];
  try {
    for (int own = 0; own < 2; ++own) threads[own] = std::thread(wake_each_other, own);
  } catch (const std::exception&) {  // no memory, or too many threads
    const std::lock_guard lock(mutex);
    alone = true;
    turned.notify_all();
  }
  for (std::thread& thread : threads) {
    if (thread.joinable()) thread.join();
  }
  if (alone) return 0;
  std::sort(lags.begin(), lags.end());
  return std::min(lags[lags.size() / 4], kMostUs);
}

}  // namespace

double wake_lag_us() {
  static const double lag = measure();
  return lag;
}
#else
double wake_lag_us() {
  return 0;
}
#endif

}  // namespace regroup
