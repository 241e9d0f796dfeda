// The Vulkan drivers that ctest runs the device tests on (cmake/TestDrivers.cmake), and how each calls its device.
#pragma once

#include <cstdlib>
#include <optional>
#include <string_view>

namespace regroup::test {

struct TestDriver {
  std::string_view name;         // as in the names of the tests
  std::string_view device_name;  // part of the name of its only device
};

inline constexpr TestDriver kTestDrivers[] = {{"lavapipe", "llvmpipe"}, {"swiftshader", "SwiftShader"}};

// The driver that ctest chose for this process; nothing when the program was started by hand.
inline std::optional<TestDriver> expected_driver() {
  const char* name = std::getenv("REGROUP_TEST_DRIVER");
  if (name == nullptr) return std::nullopt;
  for (const TestDriver& driver : kTestDrivers) {
    if (driver.name == name) return driver;
  }
  return TestDriver{name, "a driver that tests/support/drivers.h lists"};
}

// For tests of the host's part alone, which the other driver shows as well and several times as quickly.
inline bool is_slow_driver() {
  const std::optional<TestDriver> driver = expected_driver();
  return driver && driver->name == "swiftshader";
}

}  // namespace regroup::test
