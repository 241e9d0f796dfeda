// Weights that are no numbers are found in every tensor and format, and in no sound file.
#include "runtime/model/finite_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/core/error.h"
#include "tests/model/tiny_model.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;

void refuse(const fs::path& path, const std::string& says) {
  try {
    check_finite_weights(ModelFile::open(path));
    ADD_FAILURE() << "accepted; expected a refusal saying " << says;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadModel);
    EXPECT_NE(std::string_view(error.what()).find(says), std::string_view::npos) << error.what();
  }
}

TEST(FiniteWeights, TheWrongTensorIsNamed) {
  const TemporaryFolder folder;
  for (const char* name : {"token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.1.attn_q.weight",
                           "blk.1.ffn_down.weight"}) {
    for (const float wrong : {NAN, std::numeric_limits<float>::infinity()}) {
      TinyModel tiny;
      tiny.changes[name] = [&](GgufBuilder::Tensor& tensor) { std::memcpy(tensor.data.data() + 8, &wrong, 4); };
      refuse(folder.write("model.gguf", tiny.build()),
             fmt::format("model.gguf: tensor '{}' has {} in row 0, column 2", name, wrong));
    }
  }
}

// The last scale of a block format, and the shard that a tensor is in.
TEST(FiniteWeights, BlocksAndShardsAreSearched) {
  const TemporaryFolder folder;
  TinyModel tiny;
  tiny.changes["blk.1.ffn_down.weight"] = [](GgufBuilder::Tensor& tensor) {
    tensor.type = 8;
    tensor.data.assign(tensor.dimensions[0] / 32 * tensor.dimensions[1] * 34, '\1');
    tensor.data[tensor.data.size() - 34] = '\0';
    tensor.data[tensor.data.size() - 33] = '\x7c';  // infinity
  };
  refuse(folder.write("model.gguf", tiny.build()), "tensor 'blk.1.ffn_down.weight' has inf in row 63, column 64");

  const fs::path sharded = fs::path(REGROUP_SOURCE_DIR) / "tests/data/checkpoints/llama-sharded";
  for (const auto& entry : fs::directory_iterator(sharded)) fs::copy(entry.path(), folder.path());
  const std::string last = "model-00002-of-00002.safetensors";
  std::fstream file(folder.path() / last, std::ios::binary | std::ios::in | std::ios::out);
  const float wrong = NAN;
  file.seekp(-4, std::ios::end).write(reinterpret_cast<const char*>(&wrong), 4);
  file.close();
  refuse(folder.path(), last + ": tensor 'model.");
}

TEST(FiniteWeights, SoundFilesAreSound) {
  for (const auto& entry : fs::directory_iterator(fs::path(REGROUP_SOURCE_DIR) / "tests/data/checkpoints")) {
    fs::path path = entry.path();
    if (path.filename().string().starts_with("gguf-split")) path /= "model-00001-of-00002.gguf";
    if (fs::exists(path / "model.gguf")) path /= "model.gguf";
    if (!entry.is_directory()) continue;
    EXPECT_NO_THROW(check_finite_weights(ModelFile::open(path))) << path;
  }
}

TEST(FiniteWeights, TheSearchCanBeStopped) {
  const TemporaryFolder folder;
  const CancelFlag cancel = true;
  try {
    check_finite_weights(ModelFile::open(folder.write("model.gguf", TinyModel().build())), &cancel);
    ADD_FAILURE() << "went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInterrupted);
  }
}

}  // namespace
}  // namespace regroup::test
