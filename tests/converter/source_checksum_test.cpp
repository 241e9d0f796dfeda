// The checksum of a source against the command that its documentation names.
#include "converter/source_checksum.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "runtime/core/error.h"
#include "tests/converter/conversion_support.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

// The first 64 characters that a shell command prints.
std::string digest_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::array<char, 65> text{};
  const std::size_t count = std::fread(text.data(), 1, 64, pipe);
  return pclose(pipe) == 0 && count == 64 ? text.data() : "";
}

TEST(SourceChecksumTest, IsWhatTheCommandPrints) {
  // Of one piece, of two (the second one shorter), and of a folder's weight file.
  for (const std::filesystem::path& file :
       {checkpoint("gguf-llama-f32/model.gguf"), bundled_model(), checkpoint("llama-gqa-9-3") / "model.safetensors"}) {
    const ModelFile source = ModelFile::open(file.extension() == ".gguf" ? file : file.parent_path());
    EXPECT_EQ(checksum(source), digest_of("split -b 4M --filter=sha256sum '" + file.string() + "' | sha256sum"))
        << file;
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
