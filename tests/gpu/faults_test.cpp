// Planned failures, and a device that fails while it is opened and while it works, at every call.
#include "runtime/gpu/faults.h"

#include "runtime/core/error.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

TEST(FaultPlanTest, FailsTheCallsThatItNames) {
  FaultPlan plan = FaultPlan::parse("3:out-of-host-memory,QueueSubmit@2:device-lost");
  EXPECT_EQ(plan.next("QueueSubmit"), VK_SUCCESS);
  EXPECT_EQ(plan.next("CreateBuffer"), VK_SUCCESS);
  EXPECT_EQ(plan.next("CreateBuffer"), VK_ERROR_OUT_OF_HOST_MEMORY);
  EXPECT_EQ(plan.next("QueueSubmit"), VK_ERROR_DEVICE_LOST);
  EXPECT_EQ(plan.next("CreateBuffer"), VK_SUCCESS);
  EXPECT_EQ(plan.next("WaitForFences"), VK_ERROR_DEVICE_LOST);  // it stays lost
  plan.device_opened();
  EXPECT_EQ(plan.next("WaitForFences"), VK_SUCCESS);
  EXPECT_EQ(plan.calls(), 7u);
  EXPECT_EQ(plan.failed_calls(), 3u);
}

TEST(FaultPlanTest, RefusesWhatItDoesNotUnderstand) {
  for (const char* wrong : {"x", "1", "0:failed", "1:", ":failed", "QueueSubmit@:failed", "1:unlucky", "1x:failed"}) {
    EXPECT_THROW(FaultPlan::parse(wrong), Error) << wrong;
  }
}

class FailingDeviceTest : public DeviceTest {};

// Opens a device, compiles, allocates, dispatches and reads back.
std::vector<float> work(FaultPlan& faults) {
  const auto device = Device::open(shared_instance(), {.mask = {}, .cache_directory = {}, .faults = &faults});
  Arena arena(*device, MemoryUse::kDevice, "faults");
  const Buffer& a = arena.buffer(4096, "a");
  const Buffer& sum = arena.buffer(4096, "sum");
  upload_values<float>(*device, a, std::vector<float>(1024, 1.5f));
  const std::uint32_t lanes = 64;
  const Kernel& add = device->kernel("add", {&lanes, 1});
  CommandList list(*device, true);
  const std::uint32_t count = 1024;
  list.dispatch(add, {{0, a}, {1, a}, {2, sum}}, {&count, 1}, {16});
  list.run();
  list.timings();
  return download_values<float>(*device, sum, 1024);
}

TEST_F(FailingDeviceTest, EveryCallMayFail) {
  FaultPlan counting;
  const std::vector<float> expected = work(counting);
  EXPECT_EQ(expected, std::vector<float>(1024, 3.0f));
  ASSERT_GT(counting.calls(), 15u);
  for (const auto& [result, code] : {std::pair(VK_ERROR_OUT_OF_DEVICE_MEMORY, ErrorCode::kOutOfMemory),
                                     std::pair(VK_ERROR_DEVICE_LOST, ErrorCode::kDeviceLost)}) {
    for (std::uint64_t call = 1; call <= counting.calls(); ++call) {
      SCOPED_TRACE(call);
      FaultPlan faults;
      faults.add(call, result);
      try {
        work(faults);
        ADD_FAILURE() << "the failure was not noticed";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
      }
      EXPECT_GT(faults.failed_calls(), 0u);
    }
  }
}

// Else buffers would be freed, and fences destroyed, while the device still works with them.
TEST_F(FailingDeviceTest, AWaitWithoutMemoryIsTriedUntilTheDeviceIsIdle) {
  FaultPlan faults;
  for (std::uint64_t call = 1; call <= 3; ++call) faults.add(call, VK_ERROR_OUT_OF_HOST_MEMORY, "WaitForFences");
  try {
    work(faults);
    ADD_FAILURE() << "the failure was not noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory) << error.what();
  }
  EXPECT_EQ(faults.failed_calls(), 3u);
}

TEST_F(FailingDeviceTest, AListGoesOnAfterAFailure) {
  FaultPlan faults;
  const auto device = Device::open(shared_instance(), {.mask = {}, .cache_directory = {}, .faults = &faults});
  Arena arena(*device, MemoryUse::kDevice, "faults");
  const Buffer& a = arena.buffer(4096, "a");
  const Buffer& sum = arena.buffer(4096, "sum");
  upload_values<float>(*device, a, std::vector<float>(1024, 1.5f));
  const std::uint32_t lanes = 64;
  const Kernel& add = device->kernel("add", {&lanes, 1});
  const std::uint32_t count = 1024;
  CommandList list(*device);
  const auto record_and_run = [&] {
    list.reset();
    list.dispatch(add, {{0, a}, {1, a}, {2, sum}}, {&count, 1}, {16});
    list.dispatch(add, {{0, sum}, {1, a}, {2, sum}}, {&count, 1}, {16});
    list.run();
  };
  record_and_run();  // makes command buffers that stay
  faults.clear();
  record_and_run();
  const std::uint64_t calls = faults.calls();
  for (std::uint64_t call = 1; call <= calls; ++call) {
    SCOPED_TRACE(call);
    faults.clear();
    faults.add(call, VK_ERROR_OUT_OF_HOST_MEMORY);
    EXPECT_THROW(record_and_run(), Error);
    faults.clear();
    record_and_run();
    EXPECT_EQ(download_values<float>(*device, sum, 1024), std::vector<float>(1024, 4.5f));
  }
}

}  // namespace
}  // namespace regroup::test
