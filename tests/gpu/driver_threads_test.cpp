// Workers of a CPU driver are told by the time they spend, and bound once; threads that do not work stay free.
#include "runtime/gpu/driver_threads.h"

#include <gtest/gtest.h>

#ifdef __linux__
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

int cores_of(pid_t thread) {
  cpu_set_t set;
  return sched_getaffinity(thread, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -1;
}

// Threads that work until they are told to stop, or wait without working.
class Threads {
 public:
  Threads(int working, int waiting) : ids_(static_cast<std::size_t>(working + waiting)) {
    for (int i = 0; i < working + waiting; ++i) {
      threads_.emplace_back([this, i, works = i < working] {
        ids_[static_cast<std::size_t>(i)] = gettid();
        ++started_;
        // Waiting threads sleep until the end: where the system's calls are slow, waking now and then is work.
        if (!works) stop_.wait(false);
        while (!stop_) {
        }
      });
    }
    while (started_ < working + waiting) std::this_thread::yield();
  }
  ~Threads() {
    stop_ = true;
    stop_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  pid_t id(int i) const { return ids_[static_cast<std::size_t>(i)]; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> started_{0};
  std::vector<std::atomic<pid_t>> ids_;
  std::vector<std::thread> threads_;
};

void observe(DriverThreads& driver) {
  for (int i = 0; i < 1000 && !driver.settled(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    driver.waited(50);
  }
}

TEST(DriverThreads, OneWorkerForEachCoreIsBound) {
  const int cores = cores_of(0);
  if (cores < 2) GTEST_SKIP() << "one core: nothing to spread";
  Threads threads(cores, 1);
  // On a busy machine the workers may get unequal shares for a while, which is no reason to bind them.
  for (int attempt = 0; attempt < 50 && cores_of(threads.id(0)) != 1; ++attempt) {
    DriverThreads driver;
    observe(driver);
    EXPECT_TRUE(driver.settled());
  }
  for (int i = 0; i < cores; ++i) EXPECT_EQ(cores_of(threads.id(i)), 1);
  EXPECT_EQ(cores_of(threads.id(cores)), cores);
  EXPECT_EQ(cores_of(0), cores);
}

// A model is loaded before anything is computed.
TEST(DriverThreads, WorkersAreFoundAfterAQuietBeginning) {
  const int cores = cores_of(0);
  if (cores < 2) GTEST_SKIP() << "one core: nothing to spread";
  DriverThreads driver;
  for (int i = 0; i < 30; ++i) driver.waited(10);  // one look, at nobody
  EXPECT_FALSE(driver.settled());
  Threads threads(cores, 1);
  observe(driver);
  EXPECT_TRUE(driver.settled());
}

TEST(DriverThreads, NothingIsBoundWithoutAWorkerForEachCore) {
  const int cores = cores_of(0);
  if (cores < 2) GTEST_SKIP() << "one core: nothing to spread";
  Threads threads(1, cores);
  DriverThreads driver;
  observe(driver);
  EXPECT_TRUE(driver.settled());
  for (int i = 0; i <= cores; ++i) EXPECT_EQ(cores_of(threads.id(i)), cores);
}

// The threads of a program that merely uses the library are not the library's to bind.
TEST(DriverThreadsDeviceTest, AProgramsOwnThreadsAreLeftAloneUnlessTheProcessIsOurs) {
  const int cores = cores_of(0);
  if (cores < 2) GTEST_SKIP() << "one core: nothing to spread";
  if (shared_device().info().type != DeviceType::kCpu) GTEST_SKIP() << "not a CPU driver";
  Threads threads(cores, 1);
  const auto bound = [&] { return cores_of(threads.id(0)) == 1; };
  const auto wait_for = [&](bool owns_process) {
    const auto device = Device::open(shared_instance(), {.owns_process = owns_process});
    for (int i = 0; i < 100 && !bound(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      device->note_waited(50);
    }
  };
  wait_for(false);
  EXPECT_FALSE(bound());
  for (int attempt = 0; attempt < 50 && !bound(); ++attempt) wait_for(true);  // see above
  EXPECT_TRUE(bound());
}

}  // namespace
}  // namespace regroup::test
#endif
