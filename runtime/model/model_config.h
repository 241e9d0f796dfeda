// The shape of a transformer as the runtime needs it, whatever file it came from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/ops/linear.h"
#include "runtime/ops/rope_store.h"

namespace regroup {

enum class RopeScaling { kNone, kLinear, kLlama3, kYarn };

// What a file calls its rotary settings, for refusals: a GGUF key, a field of config.json, or what a setting follows
// from.
struct RopeKeys {
  std::string base = "the rotary base", factor = "the rotary scaling factor";
  std::string original_context = "the rotary original context";
  std::string low_frequency_factor = "the rotary low frequency factor";
  std::string high_frequency_factor = "the rotary high frequency factor";
  std::string beta_slow = "the rotary slow beta", beta_fast = "the rotary fast beta";
  std::string attention_factor = "the rotary attention factor";
};

// How rotary angles follow from positions: angle(position, plane p) = position * frequency_p, frequency_p from theta
// and the scaling.
struct RopeConfig {
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;                       // linear, llama3, yarn
  double original_context = 0;               // llama3, yarn
  double low_frequency_factor = 1.0;         // llama3
  double high_frequency_factor = 4.0;        // llama3
  double beta_fast = 32.0, beta_slow = 1.0;  // yarn
  bool truncate_range = true;                // yarn: round the correction range outwards
  double attention_factor = 1.0;             // multiplies cos and sin
  std::vector<float> frequency_divisors;     // per plane, from a rope_freqs tensor; empty: none
  RopeKeys keys;
};

struct LayerConfig {
  std::uint32_t kv_heads = 0;  // G of the checkpoint
  std::uint32_t window = 0;    // sliding window, 0: none
  bool local_rope = false;     // uses ModelConfig::local_rope
};

// The same for the other settings that check_config judges.
struct ConfigKeys {
  std::string layers = "the number of layers", hidden = "the hidden size", feed_forward = "the feed-forward size";
  std::string vocabulary = "the vocabulary size", query_heads = "the number of query heads";
  std::string kv_heads = "the number of KV heads", head_dim = "head_dim", rotary_dims = "the rotary dimensions";
  std::string context_length = "the context length", norm_epsilon = "the norm epsilon";
  std::string final_soft_cap = "the logits' soft cap";
};

struct ModelConfig {
  std::string architecture;  // row of architectures.def
  std::string name;          // what the file calls the model, escaped; may be empty
  std::uint32_t hidden = 0;
  std::uint32_t feed_forward = 0;
  std::uint32_t vocabulary = 0;
  std::uint32_t query_heads = 0;  // H
  std::uint32_t head_dim = 0;
  std::uint32_t rotary_dims = 0;
  std::uint32_t context_length = 0;  // trained context
  float norm_epsilon = 1e-5f;
  float embedding_scale = 1.0f;
  float attention_scale = 1.0f;
  float final_soft_cap = 0;
  GatedActivation activation = GatedActivation::kSilu;
  RopeConfig rope;
  RopeConfig local_rope;  // sliding-window layers of Gemma 3
  std::vector<LayerConfig> layers;

  // Conventions of the file that the loader removes.
  RopeLayout file_rope_layout = RopeLayout::kInterleaved;
  bool norms_lack_one = false;  // Hugging Face Gemma stores w where the norm multiplies by 1 + w
  ConfigKeys keys;

  std::uint32_t layer_count() const { return static_cast<std::uint32_t>(layers.size()); }
  std::uint32_t most_kv_heads() const;
  std::uint32_t query_columns() const { return query_heads * head_dim; }
};

// Checks what every architecture needs: counts within ceilings, kv_heads dividing query_heads, head_dim 8..256 and a
// multiple of 8, ... Throws kBadModel naming `file`, the field by config.keys, what was found and what was expected.
void check_config(const ModelConfig& config, const std::string& file);

}  // namespace regroup
