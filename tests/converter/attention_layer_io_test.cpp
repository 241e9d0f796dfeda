// Attention layers out of checkpoints and back into their conventions.
#include "converter/attention_layer_io.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "runtime/model/architecture.h"
#include "runtime/model/model.h"

namespace regroup::test {
namespace {

constexpr TensorRole kRoles[] = {TensorRole::kQuery,          TensorRole::kKey,     TensorRole::kValue,
                                 TensorRole::kQueryBias,      TensorRole::kKeyBias, TensorRole::kValueBias,
                                 TensorRole::kAttentionOutput};

// Floats of a tensor as the file has them.
std::vector<float> file_values(const FileTensor& tensor) {
  std::vector<float> values(tensor.elements());
  const std::size_t bytes = row_bytes(tensor.format, tensor.columns());
  for (std::uint64_t r = 0; r < tensor.rows(); ++r) {
    decode_row(tensor.format, tensor.bytes.subspan(r * bytes, bytes),
               std::span(values).subspan(r * tensor.columns(), tensor.columns()));
  }
  return values;
}

// Reading a layer and writing it in the file's own row order gives the file's values, bit by bit.
TEST(AttentionLayerIoTest, RoundTripIsExactInEveryFormatAndRowOrder) {
  for (const char* path :
       {"llama-biased", "llama-gqa-9-3", "llama-bf16", "llama-sharded", "mistral-window", "gemma3-softcap",
        "gguf-llama-k-mix/model.gguf", "gguf-biased-f32/model.gguf", "gguf-llama-q4_1/model.gguf",
        "gguf-gemma3-mix/model.gguf", "gguf-split-f32/model-00001-of-00002.gguf"}) {
    SCOPED_TRACE(path);
    const ModelFile file = ModelFile::open(std::filesystem::path(REGROUP_SOURCE_DIR) / "tests/data/checkpoints" / path);
    const ModelOutline outline = read_outline(file);
    const TensorTable table(file, outline.architecture->tensor_names(), outline.config.layer_count());
    for (std::uint32_t l = 0; l < outline.config.layer_count(); ++l) {
      const AttentionLayer layer = read_attention_layer(table, outline.config, l);
      EXPECT_EQ(layer.kv_heads, outline.config.layers[l].kv_heads);
      EXPECT_EQ(layer.qk_norm, outline.config.architecture == "gemma3");
      for (const TensorRole role : kRoles) {
        EXPECT_TRUE(is_attention_tensor(role));
        const TensorValues written = tensor_values(layer, role, outline.config.file_rope_layout);
        const FileTensor* tensor = table.find(role, l);
        ASSERT_EQ(written.values.empty(), tensor == nullptr);
        if (tensor == nullptr) continue;
        EXPECT_EQ(written.rows, tensor->rows());
        EXPECT_EQ(written.columns, tensor->columns());
        const std::vector<float> expected = file_values(*tensor);
        ASSERT_EQ(written.values.size(), expected.size());
        EXPECT_EQ(std::memcmp(written.values.data(), expected.data(), expected.size() * 4), 0) << tensor->name;
      }
    }
  }
}

// The same weights stored in both row orders read as the same layer.
TEST(AttentionLayerIoTest, PlanesAreNeighboursWhateverTheFile) {
  AttentionLayer layer;
  layer.hidden = 1;
  layer.query_heads = layer.kv_heads = 2;
  layer.head_dim = 8;
  layer.rotary_dims = 6;  // two dims are not rotated
  layer.query = WeightRows(16, 1);
  for (Eigen::Index r = 0; r < 16; ++r) layer.query(r, 0) = static_cast<float>(r);
  const std::vector<float> split = tensor_values(layer, TensorRole::kQuery, RopeLayout::kHalfSplit).values;
  EXPECT_EQ(split, (std::vector<float>{0, 2, 4, 1, 3, 5, 6, 7, 8, 10, 12, 9, 11, 13, 14, 15}));
  EXPECT_FALSE(is_attention_tensor(TensorRole::kAttentionOutputBias));
  EXPECT_FALSE(is_attention_tensor(TensorRole::kGate));
}

}  // namespace
}  // namespace regroup::test
