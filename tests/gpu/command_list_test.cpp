// Dispatch, derived barriers, re-submission, cutting into submissions, timestamps and cancellation.
#include "runtime/gpu/command_list.h"

#include <numeric>

#include "runtime/core/error.h"
#include "shaders/activation/add.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

class CommandListTest : public DeviceTest {
 protected:
  static constexpr std::uint32_t kCount = 1000;

  void add(CommandList& list, const Buffer& a, const Buffer& b, const Buffer& y, const Work& work = {}) {
    const Kernel& kernel = device().kernel("add", as_words(shader::AddConstants{}));
    list.dispatch(kernel, {{0, a}, {1, b}, {2, y}}, as_words(shader::AddPush{kCount}), {.x = (kCount + 63) / 64}, work);
  }
  std::vector<float> ramp() const {
    std::vector<float> values(kCount);
    std::iota(values.begin(), values.end(), 1.0f);
    return values;
  }
};

TEST_F(CommandListTest, DependentDispatchesSeeEachOther) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  Buffer& a = arena.buffer(kCount * 4, "a");
  Buffer& b = arena.buffer(kCount * 4, "b");
  upload_values<float>(device(), a, ramp());
  CommandList list(device());
  add(list, a, a, b);  // b = 2a
  add(list, b, b, a);  // a = 4a
  add(list, a, b, b);  // b = 6a of the start
  list.run();
  const auto result = download_values<float>(device(), b, kCount);
  for (std::uint32_t i = 0; i < kCount; ++i) ASSERT_EQ(result[i], 6.0f * static_cast<float>(i + 1));
}

TEST_F(CommandListTest, RunsAgainWithoutRecordingAgain) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  Buffer& a = arena.buffer(kCount * 4, "a");
  Buffer& b = arena.buffer(kCount * 4, "b");
  upload_values<float>(device(), a, ramp());
  CommandList list(device());
  list.fill(b, 0);
  list.run();
  list.reset();
  add(list, a, b, b);
  for (int i = 0; i < 5; ++i) list.run();
  EXPECT_EQ(download_values<float>(device(), b, kCount)[9], 50.0f);
}

TEST_F(CommandListTest, CutsLongWorkIntoSubmissions) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  Buffer& a = arena.buffer(kCount * 4, "a");
  Buffer& b = arena.buffer(kCount * 4, "b");
  upload_values<float>(device(), a, ramp());
  CommandList list(device());
  list.fill(b, 0);
  // Each dispatch claims more work than a whole submission may hold.
  for (int i = 0; i < 8; ++i) add(list, a, b, b, {.bytes = 1e12});
  list.run();
  EXPECT_GE(list.submission_count(), 8u);
  EXPECT_EQ(download_values<float>(device(), b, kCount)[0], 8.0f);
}

TEST_F(CommandListTest, StopsBetweenSubmissionsWhenCancelled) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  Buffer& a = arena.buffer(kCount * 4, "a");
  CommandList list(device());
  for (int i = 0; i < 8; ++i) add(list, a, a, a, {.bytes = 1e12});
  CancelFlag cancel{true};
  try {
    list.run(&cancel);
    FAIL() << "not interrupted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInterrupted);
  }
}

TEST_F(CommandListTest, MeasuresDispatches) {
  if (device().timestamp_bits() == 0) GTEST_SKIP() << "no timestamps on this queue";
  Arena arena(device(), MemoryUse::kDevice, "test");
  Buffer& a = arena.buffer(kCount * 4, "a");
  CommandList list(device(), true);
  add(list, a, a, a);
  list.run();
  const auto timings = list.timings();
  ASSERT_EQ(timings.size(), 1u);
  EXPECT_EQ(timings[0].label, "add");
  EXPECT_GE(timings[0].ms, 0.0);
}

TEST(ElapsedTicks, CountersThatBeginAgainAtZero) {
  EXPECT_EQ(elapsed_ticks(100, 350, 64), 250u);
  EXPECT_EQ(elapsed_ticks(100, 350, 36), 250u);
  EXPECT_EQ(elapsed_ticks((1ull << 36) - 100, 150, 36), 250u);
  EXPECT_EQ(elapsed_ticks(~0ull - 99, 150, 64), 250u);
  EXPECT_EQ(elapsed_ticks(1, 0, 1), 1u);
}

TEST_F(CommandListTest, TimestampsAreThoseOfTheQueueInUse) {
  const std::vector<VkQueueFamilyProperties> families = queue_families(device().info().handle);
  ASSERT_LT(device().queue_family(), families.size());
  EXPECT_EQ(device().timestamp_bits(), families[device().queue_family()].timestampValidBits);
}

TEST_F(CommandListTest, RefusesWrongInterfaces) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  Buffer& a = arena.buffer(64, "a");
  CommandList list(device());
  const Kernel& kernel = device().kernel("add", as_words(shader::AddConstants{}));
  EXPECT_THROW(list.dispatch(kernel, {{0, a}, {1, a}}, as_words(shader::AddPush{1}), {}), std::logic_error);
  EXPECT_THROW(list.dispatch(kernel, {{0, a}, {1, a}, {2, a}}, {}, {}), std::logic_error);
  EXPECT_THROW(device().kernel("no_such_kernel"), std::logic_error);
}

}  // namespace
}  // namespace regroup::test
