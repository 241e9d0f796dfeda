// What is timed on a device, what is kept of it, and what follows for the kernels that are used.
#include "runtime/tuning/tuned_families.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "runtime/core/error.h"
#include "runtime/selftest/trusted_kernels.h"
#include "runtime/tuning/timings_file.h"
#include "tests/model/tiny_model.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;
using tuning::Shape;
using tuning::ShapeTiming;
using tuning::TimingsFile;

const Shape kShape{WeightFormat::kQ4_0, 96, 128};

std::vector<std::string> names(const std::vector<KernelProfile>& families) {
  std::vector<std::string> found;
  for (const KernelProfile& family : families) found.push_back(family.variant_name());
  return found;
}

class TunedFamiliesDeviceTest : public DeviceTest {
 protected:
  std::unique_ptr<Device> open(std::vector<std::string> spoiled = {}) {
    return Device::open(
        shared_instance(),
        {.mask = {}, .cache_directory = folder_.path(), .faults = &faults_, .spoiled_kernels = std::move(spoiled)});
  }
  std::vector<std::string> tuned(Device& device) {
    faults_.clear();
    return names(tuning::tuned_families(device, kShape));
  }
  std::vector<ShapeTiming> kept(const Device& device) const {
    return TimingsFile(folder_.path(), device.info()).timings();
  }
  // As if the second candidate had been found the faster one so many times.
  void prefer_the_second(const Device& device, std::uint32_t taken) {
    TimingsFile file(folder_.path(), device.info());
    ASSERT_FALSE(file.timings().empty());
    ShapeTiming timing = file.timings().back();
    timing.taken = taken;
    timing.speeds[1].ms = timing.speeds[0].ms / 1000;
    file.put(timing);
    file.save();
  }
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

  TemporaryFolder folder_;
  FaultPlan faults_;  // counts the calls of the driver
};

TEST_F(TunedFamiliesDeviceTest, FirstUseIsTimedAndKept) {
  const auto own = open();
  const std::vector<std::string> order = tuned(*own);
  EXPECT_GT(faults_.calls(), 0u);
  const std::vector<ShapeTiming> timings = kept(*own);
  ASSERT_EQ(timings.size(), 1u);
  EXPECT_EQ(timings[0].shape, "q4_0 64 x 128");
  EXPECT_EQ(timings[0].taken, 1u);
  EXPECT_EQ(timings[0].speeds[0].name, kernel_profile(*own).name);
  EXPECT_EQ(timings[0].chosen(), order[0]);
  for (const auto& speed : timings[0].speeds) EXPECT_GT(speed.ms, 0) << speed.name;
  // Every family is still there, once.
  std::vector<std::string> all = names(kernel_profiles(*own)), sorted = order;
  std::sort(all.begin(), all.end());
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, all);
}

TEST_F(TunedFamiliesDeviceTest, ASettledChoiceIsReadBackAndAnUnsettledOneTimedOnceMore) {
  const auto own = open();
  tuned(*own);
  const std::string first = kept(*own)[0].speeds[0].name, second = kept(*own)[0].speeds[1].name;
  prefer_the_second(*own, 2);
  EXPECT_EQ(tuned(*own)[0], second);
  EXPECT_EQ(faults_.calls(), 0u);
  EXPECT_EQ(tuned(*open())[0], second);  // another start
  prefer_the_second(*own, 1);
  EXPECT_EQ(tuned(*own)[0], second);  // the least of both timings counts
  EXPECT_GT(faults_.calls(), 0u);
  EXPECT_EQ(kept(*own)[0].taken, 2u);
  tuned(*own);
  EXPECT_EQ(faults_.calls(), 0u);
}

TEST_F(TunedFamiliesDeviceTest, ADamagedFileIsTimedAgain) {
  const auto own = open();
  tuned(*own);
  prefer_the_second(*own, 2);
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    if (entry.path().filename().string().starts_with("tuning-")) std::ofstream(entry.path()) << "{\"timings\": 3}";
  }
  EXPECT_TRUE(kept(*own).empty());
  tuned(*own);
  EXPECT_GT(faults_.calls(), 0u);
  EXPECT_EQ(kept(*own).size(), 1u);
}

TEST_F(TunedFamiliesDeviceTest, NothingIsTimedWithoutAShapeOrAFolder) {
  const auto own = open();
  faults_.clear();
  EXPECT_EQ(names(tuning::tuned_families(*own, std::nullopt)), names(kernel_profiles(*own)));
  EXPECT_EQ(faults_.calls(), 0u);
  const auto without = Device::open(shared_instance(), {.mask = {}, .faults = &faults_});
  EXPECT_EQ(tuned(*without), names(kernel_profiles(*without)));
  EXPECT_EQ(faults_.calls(), 0u);
}

TEST_F(TunedFamiliesDeviceTest, ACandidateThatFailsIsNotTakenAndNothingIsKept) {
  const auto own = open();
  faults_.clear();
  faults_.add(1, VK_ERROR_UNKNOWN, "CreateComputePipelines");
  const std::vector<std::string> order = names(tuning::tuned_families(*own, kShape));
  EXPECT_EQ(faults_.failed_calls(), 1u);
  EXPECT_NE(order[0], kernel_profile(*own).name);
  EXPECT_TRUE(kept(*own).empty());
  EXPECT_EQ(tuned(*own).size(), kernel_profiles(*own).size());
  EXPECT_EQ(kept(*own).size(), 1u);
}

TEST_F(TunedFamiliesDeviceTest, ALostDeviceIsAnErrorAndALackOfMemoryIsNot) {
  const auto own = open();
  faults_.clear();
  faults_.add(1, VK_ERROR_OUT_OF_DEVICE_MEMORY, "AllocateMemory");
  EXPECT_EQ(names(tuning::tuned_families(*own, kShape)), names(kernel_profiles(*own)));
  EXPECT_EQ(faults_.failed_calls(), 1u);
  EXPECT_TRUE(kept(*own).empty());
  faults_.clear();
  faults_.add(2, VK_ERROR_DEVICE_LOST, "QueueSubmit");
  try {
    tuning::tuned_families(*own, kShape);
    ADD_FAILURE() << "a lost device is not noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDeviceLost);
  }
}

// The self-test has the last word, whatever was timed.
TEST_F(TunedFamiliesDeviceTest, AChoiceThatComputesWrongResultsIsNotUsed) {
  {
    const auto own = open();
    tuned(*own);
    prefer_the_second(*own, 2);
  }
  const std::string chosen = kept(*open())[0].chosen();
  const auto own = open({decode_kernel(chosen)});
  faults_.clear();
  const std::vector<KernelProfile> order = tuning::tuned_families(*own, kShape);
  EXPECT_EQ(order[0].variant_name(), chosen);
  EXPECT_EQ(faults_.calls(), 0u);
  // Products alone, so that few kernels are compiled.
  const auto trusted = selftest::trusted_kernels(*own, order, {.formats = {WeightFormat::kQ4_0}});
  EXPECT_EQ(trusted.profile.name, order[1].name);
  EXPECT_FALSE(trusted.remarks.empty());
}

TEST_F(TunedFamiliesDeviceTest, WrongResultsAreNoticedWhileTiming) {
  std::vector<KernelProfile> families = kernel_profiles(device());
  families.resize(2);
  const auto own = open({decode_kernel(families[1].name)});
  const auto ms = tuning::product_times(*own, families, kShape);
  ASSERT_EQ(ms.size(), families.size());
  for (std::size_t i = 0; i < ms.size(); ++i) {
    ASSERT_TRUE(ms[i]) << families[i].name;
    EXPECT_EQ(std::isfinite(*ms[i]), i != 1) << families[i].name;
  }
}

TEST_F(TunedFamiliesDeviceTest, AnErrorOfTheDriverIsNoTime) {
  std::vector<KernelProfile> families = kernel_profiles(device());
  families.resize(2);
  const auto own = open();
  faults_.clear();
  faults_.add(2, VK_ERROR_UNKNOWN, "CreateComputePipelines");
  const auto ms = tuning::product_times(*own, families, kShape);
  ASSERT_EQ(ms.size(), families.size());
  EXPECT_TRUE(ms[0] && std::isfinite(*ms[0]));
  EXPECT_FALSE(ms[1]);
}

// One that was found to compute wrong results is neither taken nor a reason to time all of them at every start.
TEST_F(TunedFamiliesDeviceTest, WrongResultsAreKept) {
  const auto own = open();
  tuned(*own);
  TimingsFile file(folder_.path(), own->info());
  ShapeTiming timing = file.timings().back();
  timing.taken = 1;
  timing.speeds[0].ms = 1;
  for (std::size_t i = 1; i < timing.speeds.size(); ++i) {
    timing.speeds[i].ms = std::numeric_limits<double>::infinity();
  }
  file.put(timing);
  file.save();
  EXPECT_EQ(tuned(*own)[0], timing.speeds[0].name);
  EXPECT_EQ(faults_.calls(), 0u);
}

// The weights that are timed are numbers in every format, and what is expected of them is right.
TEST_F(TunedFamiliesDeviceTest, EveryFormatCanBeTimed) {
  const char* driver = std::getenv("REGROUP_TEST_DRIVER");
  if (driver != nullptr && std::string_view(driver) == "swiftshader")
    GTEST_SKIP() << "the weights are the same, and SwiftShader compiles slowly";
  const std::vector<KernelProfile> one = {kernel_profile(device())};
  for (const WeightFormatInfo& info : all_weight_formats()) {
    EXPECT_TRUE(std::isfinite(tuning::product_times(device(), one, {info.format, 70, 256})[0].value())) << info.name;
  }
}

TEST_F(TunedFamiliesDeviceTest, RowsThatEndWithinABlockCanBeTimed) {
  std::vector<KernelProfile> families = kernel_profiles(device());
  families.resize(2);
  for (const auto& ms : tuning::product_times(device(), families, {WeightFormat::kF32, 70, 100})) {
    EXPECT_TRUE(std::isfinite(ms.value()));
  }
}

TEST_F(TunedFamiliesDeviceTest, VariantsForGpusCanBeTimed) {
  std::vector<KernelProfile> variants;
  for (const char* name : {"gpu-shared/32", "gpu-shared", "gpu-shared/128"}) {
    variants.push_back(kernel_profile_named(device(), name));
  }
  for (const auto& ms : tuning::product_times(device(), variants, {WeightFormat::kQ4_0, 70, 66 * 32})) {
    EXPECT_TRUE(std::isfinite(ms.value()));
  }
}

TEST_F(TunedFamiliesDeviceTest, TheShapeIsTheOneWithMostBytes) {
  const fs::path path = folder_.write("tiny.gguf", TinyModel{}.build());
  const auto shape = tuning::shape_of(ModelFile::open(path));
  ASSERT_TRUE(shape.has_value());
  EXPECT_EQ(shape->class_name(), "f32 64 x 64");
  EXPECT_EQ(shape->rows, 96u);  // gates and up projections
  EXPECT_EQ(shape->columns, 64u);
}

}  // namespace
}  // namespace regroup::test
