// Conversions as the command line and the C interface ask for them, in the user's words.
#include "converter/conversion.h"

#include <algorithm>
#include <set>

#include "converter/checkpoint/provenance.h"
#include "runtime/core/error.h"
#include "runtime/model/kv_cache.h"
#include "tests/converter/conversion_support.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

regroup::Conversion without_device(const fs::path& input, const fs::path& output, const std::string& method) {
  regroup::Conversion conversion{.input = input, .output = output, .groups = "1", .method = method};
  conversion.open_device = [](const ModelFile&) -> ConversionDevice {
    ADD_FAILURE() << "a device was asked for";
    throw_error(ErrorCode::kNoDevice, "no device in this test");
  };
  return conversion;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(ConversionTest, SeparatorsAtTheEndOfPathsMeanNothing) {
  const TemporaryFolder folder;
  const fs::path input = checkpoint("llama-gqa-9-3/"), output = folder.path() / "out/";
  auto conversion = without_device(input, output, "mean");
  run_conversion(conversion);
  const auto written = names_in(folder.path() / "out");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
  conversion.overwrite = true;
  run_conversion(conversion);
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
  EXPECT_EQ(names_in(folder.path() / "out"), written);
  const auto source = stated_source(ModelFile::open(output));
  ASSERT_TRUE(source);
  EXPECT_EQ(source->name, "llama-gqa-9-3");
}

// A change of format alone.
TEST(ConversionTest, NothingToMergeNeedsNoDevice) {
  const TemporaryFolder folder;
  auto conversion = without_device(checkpoint("llama-gqa-9-3"), folder.path() / "out.gguf", "auto");
  conversion.groups = "3";
  const ConversionResult result = run_conversion(conversion);
  for (const LayerReport& layer : result.report.layers) EXPECT_EQ(layer.method, "none");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out.gguf"});
  EXPECT_TRUE(stated_source(ModelFile::open(folder.path() / "out.gguf"))->calibration.empty());
}

TEST(ConversionTest, TensorsThatAreLeftOutAreTold) {
  const TemporaryFolder folder;
  TinyModel tiny;
  tiny.added = {TinyModel::f32_tensor("exporter.note", {4})};
  const fs::path input = folder.write("model.gguf", tiny.build());
  for (const bool dry_run : {true, false}) {
    auto conversion = without_device(input, folder.path() / "out.gguf", "mean");
    conversion.dry_run = dry_run;
    const auto notes = run_conversion(conversion).report.notes;
    ASSERT_FALSE(notes.empty());
    EXPECT_NE(notes[0].find("'exporter.note'"), std::string::npos) << notes[0];
    EXPECT_NE(notes[0].find("not written"), std::string::npos) << notes[0];
  }
}

// Its words would be split as GPT-2's are, for good and without a word.
TEST(ConversionTest, TokenizersOfUnknownWordsAreNotWrittenToDirectories) {
  const TemporaryFolder folder;
  const auto model = [&](const std::string& words) {
    TinyModel tiny{.vocabulary = 3};
    tiny.more_keys = [&](GgufBuilder& keys) {
      keys.string("tokenizer.ggml.model", "gpt2")
          .string("tokenizer.ggml.pre", words)
          .strings("tokenizer.ggml.tokens", {"a", "b", "ab"})
          .strings("tokenizer.ggml.merges", {"a b"});
    };
    return folder.write("model.gguf", tiny.build());
  };
  const fs::path directory = folder.path() / "out", file = folder.path() / "out.gguf";
  auto conversion = without_device(model("words-of-2031"), directory, "mean");
  try {
    run_conversion(conversion);
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadModel);
    for (const char* fragment : {"words-of-2031", "--no-tokenizer"}) {
      EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << error.what();
    }
  }
  EXPECT_FALSE(fs::exists(directory));
  conversion.without_tokenizer = true;
  run_conversion(conversion);
  EXPECT_FALSE(fs::exists(directory / "tokenizer.json"));
  run_conversion(without_device(model("words-of-2031"), file, "mean"));  // the name is kept
  EXPECT_EQ(ModelFile::open(file).metadata().get_string("tokenizer.ggml.pre"), "words-of-2031");
  fs::remove_all(directory);
  run_conversion(without_device(model("gpt-2"), directory, "mean"));
  EXPECT_TRUE(fs::exists(directory / "tokenizer.json"));
}

class ConversionDeviceTest : public DeviceTest {
 protected:
  regroup::Conversion half_the_cache(const fs::path& output) {
    const fs::path input = checkpoint("llama-mha-4-4");
    const ModelConfig config = read_outline(ModelFile::open(input)).config;
    regroup::Conversion conversion{.input = input, .output = output, .method = "svd"};
    conversion.groups =
        fmt::format("budget:{}", kv_bytes_per_token(config, uniform_groups(config, 2), CacheType::kF16));
    conversion.size.tokens = 256;
    conversion.size.sequence_length = 32;
    conversion.open_device = [this](const ModelFile&) {
      return ConversionDevice{.device = &device(), .profile = kernel_profile(device())};
    };
    return conversion;
  }
};

// Neither the text nor the plan nor finished layers are made again.
TEST_F(ConversionDeviceTest, StoppedBudgetsGoOn) {
  const TemporaryFolder folder;
  const fs::path whole = folder.path() / "whole.gguf", stopped = folder.path() / "stopped.gguf";
  const ConversionResult expected = run_conversion(half_the_cache(whole));

  auto conversion = half_the_cache(stopped);
  CancelFlag cancel{false};
  conversion.cancel = &cancel;
  conversion.progress = [&](std::string_view label, double) { cancel = cancel || label == "writing"; };
  EXPECT_THROW(run_conversion(conversion), Error);
  EXPECT_FALSE(fs::exists(stopped));

  cancel = false;
  std::set<std::string, std::less<>> labels;
  conversion.progress = [&](std::string_view label, double) { labels.emplace(label); };
  const ConversionResult resumed = run_conversion(conversion);
  EXPECT_FALSE(labels.contains("measuring layers"));
  EXPECT_FALSE(labels.contains("comparing predictions"));
  EXPECT_EQ(resumed.groups, expected.groups);
  EXPECT_EQ(resumed.report.notes, expected.report.notes);
  EXPECT_EQ(file_bytes(stopped), file_bytes(whole));
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"stopped.gguf", "whole.gguf"}));
}

}  // namespace
}  // namespace regroup::test
