// The checksum of a source against the digest of its files.
#include "converter/source_checksum.h"

#include <gtest/gtest.h>

#include "runtime/core/digest.h"
#include "runtime/core/error.h"
#include "tests/converter/conversion_support.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

TEST(SourceChecksumTest, IsTheDigestOfAllBytes) {
  // Of a file, of a larger one, and of a folder's weight file.
  for (const std::filesystem::path& file :
       {checkpoint("gguf-llama-f32/model.gguf"), bundled_model(), checkpoint("llama-gqa-9-3") / "model.safetensors"}) {
    const ModelFile source = ModelFile::open(file.extension() == ".gguf" ? file : file.parent_path());
    EXPECT_EQ(checksum(source), digest_of(file_bytes(file))) << file;
    BackgroundChecksum background(source);
    EXPECT_EQ(background.wait(), checksum(source)) << file;
  }
}

TEST(SourceChecksumTest, SettingsBesideTheWeightsCountToo) {
  const TemporaryFolder folder;
  const fs::path model = folder.path() / "model";
  fs::copy(checkpoint("llama-mha-4-4"), model);
  const auto settings = [&](bool reads_text) { return settings_checksum(ModelFile::open(model), reads_text); };
  const std::string before = settings(false), with_text = settings(true);
  std::ofstream(model / "tokenizer_config.json") << "{}";
  EXPECT_EQ(settings(false), before);
  EXPECT_NE(settings(true), with_text);
  fs::remove(model / "tokenizer_config.json");
  EXPECT_EQ(settings(true), with_text);
  change_rope_base(model);
  EXPECT_NE(settings(false), before);
  EXPECT_NE(settings(true), with_text);
}

TEST(SourceChecksumTest, CanBeStopped) {
  const ModelFile source = ModelFile::open(bundled_model());
  const CancelFlag stop = true;
  EXPECT_THROW(checksum(source, {}, &stop), Error);
}

}  // namespace
}  // namespace regroup::test
