// What the C interface promises without a device: its version, and closing nothing.
#include <gtest/gtest.h>

#include "capi/include/regroup/regroup.h"

namespace regroup::test {
namespace {

TEST(CapiClosed, TheLibraryIsTheHeadersVersion) {
  EXPECT_EQ(regroup_api_version(), static_cast<std::uint32_t>(REGROUP_API_VERSION));
  EXPECT_STREQ(regroup_version(), REGROUP_VERSION);
}

TEST(CapiClosed, NothingCanBeClosed) {
  regroup_session_close(nullptr);
  regroup_model_close(nullptr);
  regroup_device_close(nullptr);
  regroup_interrupt(nullptr);
  EXPECT_EQ(regroup_list_devices(nullptr, nullptr, 0, nullptr, nullptr), REGROUP_USAGE);
}

}  // namespace
}  // namespace regroup::test
