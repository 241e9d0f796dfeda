// Choosing a device by index, UUID, part of the name and $REGROUP_DEVICE, and what is said when none fits.
#include <cctype>
#include <cstdlib>
#include <optional>

#include "runtime/core/error.h"
#include "runtime/gpu/instance.h"
#include "tests/support/device_fixture.h"
#include "tests/support/scoped_variable.h"

namespace regroup::test {
namespace {

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

class DeviceChoiceTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    unsetenv("REGROUP_DEVICE");
    for (const DeviceInfo& info : shared_instance().devices()) {
      if (info.refusals.empty() && !usable_) usable_ = info;
    }
    ASSERT_TRUE(usable_);
  }
  void expect_no_device(const std::string& which, std::string_view named) {
    try {
      shared_instance().choose(which);
      ADD_FAILURE() << "chose a device for '" << which << "'";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNoDevice);
      EXPECT_NE(std::string_view(error.what()).find(named), std::string_view::npos) << error.what();
      EXPECT_NE(std::string_view(error.what()).find("regroup devices"), std::string_view::npos) << error.what();
    }
  }
  std::optional<DeviceInfo> usable_;
};

TEST_F(DeviceChoiceTest, ByIndexUuidAndName) {
  const Instance& instance = shared_instance();
  EXPECT_EQ(instance.choose(std::to_string(usable_->index)).index, usable_->index);
  EXPECT_EQ(instance.choose(usable_->uuid_text()).device_uuid, usable_->device_uuid);
  EXPECT_EQ(instance.choose(upper(usable_->uuid_text())).device_uuid, usable_->device_uuid);
  EXPECT_EQ(instance.choose(usable_->name).name, usable_->name);
  EXPECT_EQ(instance.choose(upper(usable_->name.substr(1, 5))).name, usable_->name);
}

TEST_F(DeviceChoiceTest, EmptyTakesTheBestType) {
  const DeviceInfo best = shared_instance().choose("");
  EXPECT_TRUE(best.refusals.empty());
  for (const DeviceInfo& info : shared_instance().devices()) {
    if (info.type == DeviceType::kDiscrete && info.refusals.empty()) {
      EXPECT_EQ(best.type, DeviceType::kDiscrete);
    }
  }
}

TEST_F(DeviceChoiceTest, NoneMatchingNamesWhatWasAskedFor) {
  expect_no_device("no such device", "no such device");
  expect_no_device("9999", "9999");
  expect_no_device("00000000-1111-2222-3333-444444444444", "00000000-1111-2222-3333-444444444444");
  expect_no_device("\x1b[31mred", "\\u{1b}");
}

TEST_F(DeviceChoiceTest, TheVariableIsTheDefaultOnly) {
  {
    const ScopedVariable variable("REGROUP_DEVICE", "no such device");
    expect_no_device("", "no such device");
    EXPECT_EQ(shared_instance().choose(usable_->name).name, usable_->name);
  }
  const ScopedVariable variable("REGROUP_DEVICE", std::to_string(usable_->index).c_str());
  EXPECT_EQ(shared_instance().choose("").index, usable_->index);
}

TEST_F(DeviceChoiceTest, UuidHasTheUsualForm) {
  const std::string uuid = usable_->uuid_text();
  ASSERT_EQ(uuid.size(), 36u);
  for (const std::size_t dash : {8u, 13u, 18u, 23u}) EXPECT_EQ(uuid[dash], '-');
}

TEST_F(DeviceChoiceTest, OpeningAnUnknownDeviceFails) {
  try {
    Device::open(shared_instance(), {.which = "no such device"});
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNoDevice);
    EXPECT_EQ(exit_code(error.code()), 4);
  }
}

}  // namespace
}  // namespace regroup::test
