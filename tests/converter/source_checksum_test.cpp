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

TEST(SourceChecksumTest, CanBeStopped) {
  const ModelFile source = ModelFile::open(bundled_model());
  const CancelFlag stop = true;
  EXPECT_THROW(checksum(source, {}, &stop), Error);
}

}  // namespace
}  // namespace regroup::test
