// The self-test itself: on a driver that is right every kernel passes; a spoiled kernel is found, and what takes its
// place is right.
#include "runtime/selftest/self_test.h"

#include <algorithm>
#include <fstream>

#include "runtime/core/error.h"
#include "runtime/gpu/shader_table.h"
#include "runtime/selftest/trusted_kernels.h"
#include "tests/model/tiny_model.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

using selftest::KernelNeeds;

class SelfTestDeviceTest : public DeviceTest {
 protected:
  // What one model needs, so that few kernels are compiled.
  static KernelNeeds one_model() {
    return {.formats = {WeightFormat::kQ4_0}, .cache_types = {CacheType::kF16}, .calibrating = true};
  }
  static std::unique_ptr<Device> open(std::vector<std::string> spoiled, const std::filesystem::path& cache = {},
                                      FaultPlan* faults = nullptr) {
    return Device::open(
        shared_instance(),
        {.mask = {}, .cache_directory = cache, .faults = faults, .spoiled_kernels = std::move(spoiled)});
  }
  // A kernel of each family that decodes q4_0, and no other family uses.
  static std::string decode_kernel(std::string_view family) {
    const std::pair<std::string_view, const char*> kernels[] = {
        {"cpu-texel16", "linear_decode_texel16_q4_0"},   {"cpu-texel8", "linear_decode_texel_q4_0"},
        {"cpu-ssbo4", "linear_decode_ssbo_q4_0"},        {"cpu-plain", "linear_decode_plain_q4_0"},
        {"gpu-subgroup", "linear_decode_subgroup_q4_0"}, {"gpu-shared", "linear_decode_shared_q4_0"}};
    for (const auto& [name, kernel] : kernels) {
      if (name == family) return kernel;
    }
    return {};
  }
};

// Whether a family that the device cannot run is the only one to use this kernel, by its name.
bool is_of_another_family(std::string_view kernel, const std::vector<KernelProfile>& families) {
  const auto runs = [&](std::string_view name) {
    return std::any_of(families.begin(), families.end(), [&](const KernelProfile& f) { return f.name == name; });
  };
  const auto has = [&](std::string_view part) { return kernel.find(part) != kernel.npos; };
  if (has("texel16")) return !runs("cpu-texel16");
  if (has("texel8") || has("linear_decode_texel_") || has("linear_prefill_texel_")) return !runs("cpu-texel8");
  if (has("_texel")) return !runs("cpu-texel8") && !runs("cpu-texel16");
  if (has("ssbo") || has("broadcast")) return !runs("cpu-ssbo4");
  if (has("subgroup")) return !runs("gpu-subgroup");
  return false;
}

TEST_F(SelfTestDeviceTest, EveryKernelOfARightDriverPasses) {
  const auto report = selftest::run_self_test(device(), KernelNeeds::everything());
  EXPECT_TRUE(report.passed());
  const std::vector<KernelProfile> families = kernel_profiles(device());
  EXPECT_EQ(report.families.size(), families.size());
  std::set<std::string> tested;
  for (const auto& kernel : report.kernels) {
    EXPECT_TRUE(kernel.verdict.passed) << kernel.name << " error " << kernel.verdict.max_error;
    EXPECT_FALSE(kernel.disabled);
    EXPECT_FALSE(kernel.families.empty());
    tested.insert(kernel.name);
  }
  for (const auto& family : report.families) EXPECT_TRUE(family.problems.empty()) << family.name;
  // Nothing is left out: what was not tested belongs to a family that cannot run here, or is no product's.
  for (const ShaderEntry& shader : shader_table()) {
    if (shader.name == "add" || shader.name.starts_with("decode_")) continue;  // for tests, see KernelCoverage
    EXPECT_TRUE(tested.contains(std::string(shader.name)) || is_of_another_family(shader.name, families))
        << shader.name << " is not tested";
  }
}

// Grids with as many empty workgroups as full ones, as for a driver whose second worker never comes in time.
TEST_F(SelfTestDeviceTest, EmptyWorkgroupsForALateWorkerChangeNothing) {
  const auto late = Device::open(shared_instance(), {.worker_lag_us = 1e6});
  const auto prompt = Device::open(shared_instance(), {.worker_lag_us = 0});
  EXPECT_EQ(late->worker_lag_us(), 1e6);
  const auto report = selftest::run_self_test(*late, one_model()),
             plain = selftest::run_self_test(*prompt, one_model());
  EXPECT_TRUE(report.passed());
  ASSERT_EQ(report.kernels.size(), plain.kernels.size());
  for (std::size_t i = 0; i < plain.kernels.size(); ++i) {
    EXPECT_EQ(report.kernels[i].verdict.max_error, plain.kernels[i].verdict.max_error) << plain.kernels[i].name;
  }
}

TEST_F(SelfTestDeviceTest, ASpoiledKernelIsNamedAndOthersPass) {
  const std::string family(kernel_profile(device()).name);
  // One with float sums, one that only multiplies, one of integers.
  const std::vector<std::string> spoiled = {decode_kernel(family), "sampling_penalise", "sampling_advance", "adam"};
  const auto own = open(spoiled);
  std::set<std::string> found;
  for (const auto& kernel : selftest::run_self_test(*own, one_model()).kernels) {
    EXPECT_EQ(kernel.disabled, !kernel.verdict.passed);
    if (kernel.disabled) found.insert(kernel.name);
  }
  for (const std::string& name : spoiled) EXPECT_TRUE(found.contains(name)) << name;
  // The sampled choice is one operation of several kernels, which are blamed together.
  for (const std::string& name : found) {
    EXPECT_TRUE(std::find(spoiled.begin(), spoiled.end(), name) != spoiled.end() || name.starts_with("sampling_"))
        << name;
  }
}

TEST_F(SelfTestDeviceTest, TheNextFamilyTakesOver) {
  const std::vector<KernelProfile> families = kernel_profiles(device());
  ASSERT_GE(families.size(), 2u);
  std::vector<std::string> spoiled;
  for (std::size_t i = 0; i + 1 < families.size(); ++i) {
    spoiled.push_back(decode_kernel(families[i].name));
    const auto own = open(spoiled);
    const auto trusted = selftest::trusted_kernels(*own, kernel_profiles(*own), one_model());
    EXPECT_EQ(trusted.profile.name, families[i + 1].name);
    ASSERT_EQ(trusted.remarks.size(), i + 2);
    EXPECT_NE(trusted.remarks[i].find(spoiled[i]), std::string::npos) << trusted.remarks[i];
    if (i == 1) break;  // two say as much as all
  }
}

TEST_F(SelfTestDeviceTest, AKernelOfAllFamiliesIsCompiledPlainly) {
  const auto own = open({"embedding_q4_0"});
  const std::vector<KernelProfile> families = {kernel_profile(*own)};
  const auto trusted = selftest::trusted_kernels(*own, families, one_model());
  EXPECT_EQ(trusted.profile.name, families[0].name);
  ASSERT_EQ(trusted.remarks.size(), 1u);
  EXPECT_NE(trusted.remarks[0].find("embedding_q4_0"), std::string::npos) << trusted.remarks[0];
}

TEST_F(SelfTestDeviceTest, WhatIsNeededLaterIsChecked) {
  const auto own = open({"embedding_q4_0", "rope_store_q8_0"});
  const std::vector<KernelProfile> families = {kernel_profile(*own)};
  const KernelProfile family = selftest::trusted_kernels(*own, families, one_model()).profile;
  selftest::require_kernels(*own, family, one_model());  // the wrong one is compiled plainly by now
  selftest::KernelNeeds needs = one_model();
  needs.cache_types = {CacheType::kQ8_0};
  try {
    selftest::require_kernels(*own, family, needs);
    ADD_FAILURE() << "a spoiled kernel was not found";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNoDevice);
    EXPECT_NE(std::string(error.what()).find("rope_store_q8_0"), std::string::npos) << error.what();
  }
}

// A driver that refuses every pipeline: nothing to go on with.
TEST_F(SelfTestDeviceTest, NothingThatWorksIsAnError) {
  FaultPlan faults;
  for (int call = 1; call <= 400; ++call)
    faults.add(static_cast<std::uint64_t>(call), VK_ERROR_UNKNOWN, "CreateComputePipelines");
  const auto own = open({}, {}, &faults);
  const std::vector<KernelProfile> families = {kernel_profile(*own)};
  try {
    selftest::trusted_kernels(*own, families, one_model());
    ADD_FAILURE() << "trusted kernels that cannot be made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNoDevice);
    EXPECT_NE(std::string(error.what()).find("selftest"), std::string::npos);
  }
}

TEST_F(SelfTestDeviceTest, ResultsAreKeptAndDamagedFilesAreNot) {
  const TemporaryFolder folder;
  FaultPlan counting;
  const auto own = open({}, folder.path(), &counting);
  const std::vector<KernelProfile> families = {kernel_profile(*own)};
  KernelNeeds needs = one_model();
  needs.calibrating = false;
  const auto calls_of_a_choice = [&] {
    counting.clear();
    EXPECT_TRUE(selftest::trusted_kernels(*own, families, needs).remarks.empty());
    return counting.calls();
  };
  EXPECT_GT(calls_of_a_choice(), 0u);
  EXPECT_EQ(calls_of_a_choice(), 0u);
  std::filesystem::path file;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().filename().string().starts_with("selftest-")) file = entry.path();
  }
  ASSERT_FALSE(file.empty());
  const auto size = std::filesystem::file_size(file);
  for (const char* damaged : {"", "{", "[1]", "{\"results\": 3}", "{\"results\": {\"x\": {\"hash\": 1}}}"}) {
    std::ofstream(file, std::ios::trunc) << damaged;
    EXPECT_GT(calls_of_a_choice(), 0u) << damaged;
    EXPECT_EQ(calls_of_a_choice(), 0u) << damaged;
  }
  EXPECT_EQ(std::filesystem::file_size(file), size);
  // A failure that is kept is remembered as well: as if another run had found it.
  std::ifstream in(file);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const std::size_t at = text.find("\"passed\":true");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 13, "\"passed\":false");
  std::ofstream(file, std::ios::trunc) << text;
  EXPECT_FALSE(selftest::trusted_kernels(*own, families, needs).remarks.empty());
}

// What is run under every row of the matrix (cmake/RegisterSuites.cmake): the kernels of every family that this device
// can run with its features, or the minimum of them, for a few formats.
class MatrixDeviceTest : public DeviceTest {};

TEST_F(MatrixDeviceTest, EveryFamilyComputesRight) {
  KernelNeeds needs{.formats = {WeightFormat::kF32, WeightFormat::kQ4_1, WeightFormat::kQ6_K},
                    .cache_types = {CacheType::kF16},
                    .logits_compared = true};
  const auto report = selftest::run_self_test(device(), needs);
  EXPECT_TRUE(report.passed());
  EXPECT_GE(report.families.size(), 2u);
  for (const auto& kernel : report.kernels) {
    EXPECT_TRUE(kernel.verdict.passed) << kernel.name << " error " << kernel.verdict.max_error;
  }
}

}  // namespace
}  // namespace regroup::test
