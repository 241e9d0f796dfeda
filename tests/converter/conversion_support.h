// What the conversion tests share: small checkpoints, a folder for outputs, and one call that converts.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "converter/convert_checkpoint.h"
#include "runtime/core/json.h"
#include "runtime/model/model.h"
#include "tests/model/tiny_model.h"

namespace regroup::test {

namespace fs = std::filesystem;

inline fs::path checkpoint(const std::string& relative) {
  return fs::path(REGROUP_SOURCE_DIR) / "tests/data/checkpoints" / relative;
}

inline std::string file_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Other RoPE frequencies in the config.json of the directory `model`.
inline void change_rope_base(const fs::path& model) {
  auto config = nlohmann::json::parse(file_bytes(model / "config.json"));
  config["rope_theta"] = 500.0;
  std::ofstream(model / "config.json") << config;
}

// Gemma 3 with two KV heads.
inline TinyModel tiny_gemma() {
  TinyModel tiny{.architecture = "gemma3"};
  for (const char* block : {"blk.0.", "blk.1."}) {
    for (const char* name : {"post_attention_norm.weight", "post_ffw_norm.weight"}) {
      tiny.added.push_back(TinyModel::f32_tensor(std::string(block) + name, {tiny.hidden}));
    }
    for (const char* name : {"attn_q_norm.weight", "attn_k_norm.weight"}) {
      tiny.added.push_back(TinyModel::f32_tensor(std::string(block) + name, {tiny.head_dim}));
    }
  }
  return tiny;
}

// A Llama with biases of its own on some projections, such as {"blk.0.attn_q"}.
inline TinyModel tiny_with_biases(std::initializer_list<std::string> projections) {
  TinyModel tiny;
  for (const std::string& name : projections) {
    const std::uint32_t heads = name.ends_with("attn_q") ? tiny.heads : tiny.kv_heads;
    tiny.added.push_back(TinyModel::f32_tensor(name + ".bias", {heads * tiny.head_dim}));
  }
  return tiny;
}

// With one weight of `tensor` that is not a number.
inline TinyModel with_nan(TinyModel tiny, const std::string& tensor) {
  tiny.changes[tensor] = [](GgufBuilder::Tensor& t) {
    const std::string nan = le(std::numeric_limits<float>::quiet_NaN());
    t.data.replace(0, nan.size(), nan);
  };
  return tiny;
}

// Every layer to this many groups; 0: as they are.
inline std::vector<std::uint32_t> uniform_groups(const ModelConfig& config, std::uint32_t groups) {
  std::vector<std::uint32_t> out;
  for (const LayerConfig& layer : config.layers) out.push_back(groups == 0 ? layer.kv_heads : groups);
  return out;
}

struct Conversion {
  std::uint32_t groups = 0;
  std::string method = "mean";
  std::optional<WeightFormat> type = {};
  Overwrite overwrite = Overwrite::kNo;
  std::uint64_t seed = 0;
  std::vector<std::uint32_t> per_layer = {};  // instead of `groups`
};

inline ConvertReport convert(const fs::path& from, const fs::path& to, const Conversion& how) {
  const ModelFile file = ModelFile::open(from);
  const ModelOutline outline = read_outline(file);
  ConvertCheckpoint job{.source = file, .outline = outline};
  job.settings = {.method = how.method, .groups = uniform_groups(outline.config, how.groups), .seed = how.seed};
  if (!how.per_layer.empty()) job.settings.groups = how.per_layer;
  job.output = {.kind = to.extension() == ".gguf" ? ModelFileKind::kGguf : ModelFileKind::kHuggingFace,
                .type = how.type};
  job.target = to;
  job.overwrite = how.overwrite;
  return convert_checkpoint(job);
}

}  // namespace regroup::test
