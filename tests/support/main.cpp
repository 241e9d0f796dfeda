// The tests' main: GoogleTest, with the device environment torn down before drivers unload.
#include <gtest/gtest.h>

#include "tests/support/device_fixture.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ::testing::AddGlobalTestEnvironment(new regroup::test::DeviceEnvironment);
  return RUN_ALL_TESTS();
}
