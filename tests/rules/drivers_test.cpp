// That a driver's half of the device tests runs on that driver and on no other one.
#include <gtest/gtest.h>

#include "tests/support/device_fixture.h"
#include "tests/support/drivers.h"

namespace regroup::test {
namespace {

class DriverDeviceTest : public DeviceTest {};

TEST_F(DriverDeviceTest, OnlyTheNamedDriverIsSeen) {
  const std::optional<TestDriver> driver = expected_driver();
  if (!driver) GTEST_SKIP() << "REGROUP_TEST_DRIVER is not set; ctest sets it";
  const std::vector<DeviceInfo> devices = shared_instance().devices();
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_NE(devices[0].name.find(driver->device_name), std::string::npos)
      << "tests for " << driver->name << " would run on " << devices[0].name << ", " << devices[0].driver;
}

TEST_F(DriverDeviceTest, DeviceOpensWithAllFeaturesAndWithTheMinimum) {
  EXPECT_TRUE(shared_device().info().refusals.empty());
  EXPECT_TRUE(shared_device("minimum").info().refusals.empty());
}

}  // namespace
}  // namespace regroup::test
