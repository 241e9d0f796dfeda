// Masks of features: names, the floor of the specification, and what a mask leaves alone.
#include "runtime/gpu/features.h"

#include <gtest/gtest.h>

#include "runtime/core/error.h"

namespace regroup::test {
namespace {

DeviceFeatures everything() {
  DeviceFeatures f;
  f.fp16 = f.storage_16bit = f.int8 = f.integer_dot = true;
  f.subgroup_arithmetic = f.subgroup_shuffle = f.subgroup_broadcast = f.subgroup_size_control = true;
  f.subgroup_size = 32;
  f.max_workgroup_invocations = 1024;
  f.max_shared_memory_bytes = 65536;
  f.max_storage_buffers = 1000;
  f.max_storage_buffer_range = 1ull << 32;
  f.max_texel_elements = 1ull << 27;
  f.max_allocation_bytes = 1ull << 34;
  return f;
}

void expect_usage(std::string_view require, std::string_view disable, std::string_view named) {
  try {
    FeatureMask::parse(require, disable);
    ADD_FAILURE() << "accepted: '" << require << "' '" << disable << "'";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string_view(error.what()).find(named), std::string_view::npos) << error.what();
  }
}

TEST(FeatureMask, ParsesLists) {
  EXPECT_FALSE(FeatureMask::parse("", "").minimum);
  EXPECT_FALSE(FeatureMask::parse("all", "").minimum);
  EXPECT_TRUE(FeatureMask::parse("minimum", "").minimum);
  const FeatureMask mask = FeatureMask::parse("", "fp16,,dot,");
  EXPECT_EQ(mask.disabled, (std::vector<std::string>{"fp16", "dot"}));
}

TEST(FeatureMask, RefusesUnknownNames) {
  expect_usage("most", "", "most");
  expect_usage("", "fp16,fp61", "fp61");
  expect_usage("", "FP16", "FP16");
  expect_usage("", "a\x1b[31m", "\\u{1b}");  // what is repeated is escaped
}

TEST(FeatureMask, EachSwitchTakesItsFeatureAndNothingElse) {
  const auto without = [](std::string_view name) { return apply_mask(everything(), FeatureMask::parse("", name)); };
  EXPECT_FALSE(without("fp16").fp16);
  EXPECT_FALSE(without("storage16").storage_16bit);
  EXPECT_FALSE(without("int8").int8);
  EXPECT_FALSE(without("dot").integer_dot);
  EXPECT_FALSE(without("arithmetic").subgroup_arithmetic);
  EXPECT_FALSE(without("shuffle").subgroup_shuffle);
  EXPECT_FALSE(without("texel").texel_buffers);
  const auto count = [](const DeviceFeatures& f) {
    return f.fp16 + f.storage_16bit + f.int8 + f.integer_dot + f.subgroup_arithmetic + f.subgroup_shuffle +
           f.subgroup_broadcast + f.subgroup_size_control + f.texel_buffers;
  };
  ASSERT_EQ(count(everything()), 9);
  for (const std::string_view name : feature_switches()) {
    if (name != "subgroup") {
      EXPECT_EQ(count(without(name)), 8) << name;
    }
  }
  const DeviceFeatures none = without("subgroup");
  EXPECT_EQ(count(none), 5);
  EXPECT_EQ(none.subgroup_size, 1u);
  EXPECT_EQ(count(apply_mask(everything(), {})), 9);
}

TEST(FeatureMask, MinimumIsTheSpecificationsFloor) {
  const DeviceFeatures f = apply_mask(everything(), FeatureMask::parse("minimum", ""));
  EXPECT_FALSE(f.fp16 || f.storage_16bit || f.int8 || f.integer_dot);
  EXPECT_FALSE(f.subgroup_arithmetic || f.subgroup_shuffle || f.subgroup_broadcast || f.subgroup_size_control);
  EXPECT_EQ(f.subgroup_size, 1u);
  EXPECT_EQ(f.max_workgroup_invocations, 128u);
  EXPECT_EQ(f.max_shared_memory_bytes, 16384u);
  EXPECT_EQ(f.max_storage_buffers, 4u);
  EXPECT_EQ(f.max_storage_buffer_range, 1u << 27);
  EXPECT_EQ(f.max_texel_elements, 65536u);
  EXPECT_EQ(f.max_allocation_bytes, 1u << 30);
  // A device may offer less memory per allocation than the usual floor.
  DeviceFeatures small = everything();
  small.max_allocation_bytes = 1u << 28;
  EXPECT_EQ(apply_mask(small, FeatureMask::parse("minimum", "")).max_allocation_bytes, 1u << 28);
}

}  // namespace
}  // namespace regroup::test
