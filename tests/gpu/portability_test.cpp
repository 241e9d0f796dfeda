// Drivers that declare to offer a subset of Vulkan, as MoltenVK does, are found like others.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "runtime/core/json.h"
#include "tests/support/device_fixture.h"
#include "tests/support/scoped_variable.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;

class PortabilityTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    fs::remove(manifest_);
  }
  void TearDown() override {
    fs::remove(manifest_);
    DeviceTest::TearDown();
  }
  // A manifest of the same driver that calls it a portability driver.
  void write_manifest(const fs::path& original) {
    auto manifest = nlohmann::json::parse(std::ifstream(original));
    auto& driver = manifest.at("ICD");
    const fs::path library = driver.at("library_path").get<std::string>();
    if (library.has_parent_path()) driver["library_path"] = (original.parent_path() / library).string();
    driver["is_portability_driver"] = true;
    std::ofstream(manifest_) << manifest;
  }

  fs::path manifest_ = fs::temp_directory_path() / ("regroup-portability-" + std::to_string(getpid()) + ".json");
};

TEST_F(PortabilityTest, SuchADriverIsListed) {
  const char* original = std::getenv("VK_ICD_FILENAMES");
  if (original == nullptr || !fs::exists(original)) GTEST_SKIP() << "VK_ICD_FILENAMES names no manifest";
  const std::string expected = shared_instance().choose("").name;
  write_manifest(original);
  const ScopedVariable old_name("VK_ICD_FILENAMES", manifest_.c_str());
  const ScopedVariable new_name("VK_DRIVER_FILES", manifest_.c_str());
  EXPECT_EQ(Instance().choose("").name, expected);
}

}  // namespace
}  // namespace regroup::test
