// A Llama checkpoint of a few kilobytes as a GGUF file in a temporary folder; any key or tensor can be made wrong.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/gguf_builder.h"

namespace regroup::test {

struct TinyModel {
  std::string architecture = "llama";
  std::uint32_t hidden = 64, feed_forward = 96, vocabulary = 40, heads = 4, kv_heads = 2, head_dim = 32, layers = 2;
  float norm_epsilon = 1e-5f;
  std::map<std::string, std::function<void(GgufBuilder::Tensor&)>> changes;  // by tensor name
  std::optional<std::uint32_t> told_heads, told_kv_heads;  // said in the keys instead of the true ones
  std::vector<std::string> missing;
  std::vector<GgufBuilder::Tensor> added;
  std::function<void(GgufBuilder&)> more_keys;                       // written behind the others
  std::vector<std::uint32_t> heads_by_layer, feed_forward_by_layer;  // written as arrays in place of the one number

  static GgufBuilder::Tensor f32_tensor(const std::string& name, const std::vector<std::uint64_t>& innermost_first) {
    std::uint64_t elements = 1;
    for (const std::uint64_t dimension : innermost_first) elements *= dimension;
    std::string data;
    for (std::uint64_t i = 0; i < elements; ++i) data += le(0.01f * static_cast<float>(i % 17) - 0.08f);
    return {.name = name, .dimensions = innermost_first, .data = std::move(data)};
  }

  std::string build() const {
    GgufBuilder file;
    const std::string& a = architecture;
    file.string("general.architecture", a)
        .u32(a + ".block_count", layers)
        .u32(a + ".context_length", 128)
        .u32(a + ".embedding_length", hidden)
        .u32(a + ".attention.head_count_kv", told_kv_heads.value_or(kv_heads))
        .u32(a + ".attention.key_length", head_dim)
        .u32(a + ".attention.value_length", head_dim)
        .f32(a + ".attention.layer_norm_rms_epsilon", norm_epsilon);
    const auto number = [&](const std::string& key, std::uint32_t value, const std::vector<std::uint32_t>& by_layer) {
      if (by_layer.empty()) {
        file.u32(key, value);
      } else {
        file.array<std::uint32_t>(key, GgufBuilder::kU32, by_layer);
      }
    };
    number(a + ".feed_forward_length", feed_forward, feed_forward_by_layer);
    number(a + ".attention.head_count", told_heads.value_or(heads), heads_by_layer);
    if (more_keys) more_keys(file);
    const auto add = [&](const std::string& name, const std::vector<std::uint64_t>& dimensions) {
      for (const std::string& absent : missing) {
        if (absent == name) return;
      }
      GgufBuilder::Tensor tensor = f32_tensor(name, dimensions);
      if (const auto change = changes.find(name); change != changes.end()) change->second(tensor);
      file.tensor(std::move(tensor));
    };
    add("token_embd.weight", {hidden, vocabulary});
    add("output_norm.weight", {hidden});
    for (std::uint32_t l = 0; l < layers; ++l) {
      const std::string block = "blk." + std::to_string(l) + ".";
      add(block + "attn_norm.weight", {hidden});
      add(block + "attn_q.weight", {hidden, heads * head_dim});
      add(block + "attn_k.weight", {hidden, kv_heads * head_dim});
      add(block + "attn_v.weight", {hidden, kv_heads * head_dim});
      add(block + "attn_output.weight", {heads * head_dim, hidden});
      add(block + "ffn_norm.weight", {hidden});
      add(block + "ffn_gate.weight", {hidden, feed_forward});
      add(block + "ffn_up.weight", {hidden, feed_forward});
      add(block + "ffn_down.weight", {feed_forward, hidden});
    }
    for (const GgufBuilder::Tensor& tensor : added) file.tensor(tensor);
    return file.build();
  }
};

// A folder that is gone at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("regroup-test-" + std::to_string(getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary | std::ios::trunc) << bytes;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace regroup::test
