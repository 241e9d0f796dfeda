#include "tests/support/device_fixture.h"

#ifdef __linux__
#include <dlfcn.h>
#include <link.h>
#endif

#include <cstdlib>
#include <map>

namespace regroup::test {
namespace {

struct Shared {
  std::mutex mutex;
  std::vector<std::string> messages;
  std::unique_ptr<Instance> instance;
  std::map<std::string, std::unique_ptr<Device>> devices;
};

Shared& shared() {
  static Shared value;
  return value;
}

// Drivers and layers stay loaded when their instance is gone: what they leak has their name then, by which
// tests/sanitizers/leaks.txt knows it.
void keep_drivers_loaded() {
#ifdef __linux__
  std::vector<std::string> libraries;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* names) {
        static_cast<std::vector<std::string>*>(names)->emplace_back(info->dlpi_name);
        return 0;
      },
      &libraries);
  for (const std::string& library : libraries) {
    if (!library.empty()) dlopen(library.c_str(), RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  }
#endif
}

}  // namespace

void DeviceEnvironment::TearDown() {
  keep_drivers_loaded();
  shared().devices.clear();
  shared().instance.reset();
}

Instance& shared_instance() {
  if (!shared().instance) {
    InstanceOptions options;
    options.validation = std::getenv("REGROUP_TEST_NO_VALIDATION") == nullptr;
    options.on_message = [](std::string_view message) {
      const std::lock_guard lock(shared().mutex);
      shared().messages.emplace_back(message);
    };
    shared().instance = std::make_unique<Instance>(options);
  }
  return *shared().instance;
}

Device& shared_device(const std::string& asked, const std::string& disable) {
  const char* floor = std::getenv("REGROUP_TEST_REQUIRE");
  const std::string require = asked.empty() && floor != nullptr ? floor : asked;
  auto& slot = shared().devices[require + "|" + disable];
  if (!slot) {
    DeviceOptions options;
    options.mask = FeatureMask::parse(require, disable);
    slot = Device::open(shared_instance(), options);
  }
  return *slot;
}

std::vector<std::string> take_validation_messages() {
  const std::lock_guard lock(shared().mutex);
  return std::exchange(shared().messages, {});
}

}  // namespace regroup::test
