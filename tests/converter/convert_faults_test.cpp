// A conversion whose device fails at any call: the right error, no output, the input untouched, and the same command
// again succeeds.
#include "runtime/core/error.h"
#include "tests/converter/conversion_support.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

class ConvertFaultsDeviceTest : public DeviceTest {};

TEST_F(ConvertFaultsDeviceTest, NothingIsLeftHalfWritten) {
  FaultPlan faults;
  const auto device = Device::open(shared_instance(), {.mask = {}, .cache_directory = {}, .faults = &faults});
  const TemporaryFolder folder;
  const fs::path input = checkpoint("llama-mha-4-4");
  const fs::path output = folder.path() / "out.gguf";
  const auto convert_on_device = [&] {
    const ModelFile file = ModelFile::open(input);
    const ModelOutline outline = read_outline(file);
    ConvertCheckpoint job{.source = file, .outline = outline};
    job.settings = {.method = "svd", .groups = uniform_groups(outline.config, 2)};
    job.make_text = [&] {
      CalibrationText text{.sequences = 3, .sequence_length = 16, .held_out = 1};
      for (std::uint32_t i = 0; i < 48; ++i) text.tokens.push_back(i * i * 7 % outline.config.vocabulary);
      return text;
    };
    job.text_origin = "test";
    job.device = device.get();
    job.profile = kernel_profile(*device);
    job.output = {.kind = ModelFileKind::kGguf};
    job.target = output;
    convert_checkpoint(job);
  };
  const std::string before = file_bytes(input / "model.safetensors");
  convert_on_device();
  const std::string expected = file_bytes(output);
  fs::remove(output);
  faults.clear();
  convert_on_device();
  fs::remove(output);
  const std::uint64_t calls = faults.calls();
  ASSERT_GT(calls, 20u);
  const std::uint64_t step = std::max<std::uint64_t>(calls / 24, 1) | 1;
  bool lose = false;
  for (std::uint64_t call = 1; call <= calls; call += step, lose = !lose) {
    SCOPED_TRACE(call);
    faults.clear();
    faults.add(call, lose ? VK_ERROR_DEVICE_LOST : VK_ERROR_OUT_OF_DEVICE_MEMORY);
    try {
      convert_on_device();
      ADD_FAILURE() << "the failure was not noticed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), lose ? ErrorCode::kDeviceLost : ErrorCode::kOutOfMemory) << error.what();
    }
    EXPECT_FALSE(fs::exists(output));
    EXPECT_EQ(device->allocated_bytes(), 0u);
    // Every other time the same command again, which goes on from what was kept.
    if (lose) {
      faults.clear();
      convert_on_device();
      EXPECT_EQ(file_bytes(output), expected);
      fs::remove(output);
    }
    std::error_code error;
    fs::remove_all(output.string() + ".regroup-state", error);
  }
  faults.clear();
  convert_on_device();
  EXPECT_EQ(file_bytes(output), expected);
  EXPECT_EQ(file_bytes(input / "model.safetensors"), before);
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path())) ++entries;
  EXPECT_EQ(entries, 1u);  // nothing beside it
}

}  // namespace
}  // namespace regroup::test
