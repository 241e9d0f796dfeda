// The device that tests run on: whichever driver VK_ICD_FILENAMES names, with core and synchronisation validation. A
// message fails the test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/gpu/command_list.h"
#include "runtime/gpu/device.h"
#include "runtime/gpu/instance.h"
#include "runtime/gpu/transfer.h"

namespace regroup::test {

// Opens nothing until a test asks. Tests share devices: opening one costs a quarter of a second.
class DeviceEnvironment : public ::testing::Environment {
 public:
  void TearDown() override;
};

// The instance with validation, created on first use.
Instance& shared_instance();
// A device with the given mask (empty, or "minimum", or a list for --disable), created on first use of that mask. The
// environment variable REGROUP_TEST_REQUIRE, where set, takes the place of an empty `require`: tests of one label run
// under the minimum of features as well.
Device& shared_device(const std::string& require = "", const std::string& disable = "");
// Validation messages since the last call.
std::vector<std::string> take_validation_messages();

// A test that uses the device: fails when the validation layers said anything during it.
class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override { take_validation_messages(); }
  void TearDown() override {
    for (const std::string& message : take_validation_messages()) ADD_FAILURE() << "validation: " << message;
  }
  Device& device() { return shared_device(); }
};

}  // namespace regroup::test
