#include "runtime/model/model_config.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/file/bad_file.h"
#include "runtime/model/rope_config.h"
#include "runtime/ops/sampling.h"

namespace regroup {
namespace {

// Far above real models (reliability ceilings).
constexpr std::uint32_t kMaxLayers = 1024;
constexpr std::uint32_t kMaxHeads = 4096;
constexpr std::uint32_t kMaxWidth = 1u << 20;
constexpr std::uint32_t kMaxContext = 16u << 20;

struct Range {
  const std::string& field;
  std::uint64_t value, lowest, highest;
};

}  // namespace

std::uint32_t ModelConfig::most_kv_heads() const {
  std::uint32_t most = 0;
  for (const LayerConfig& layer : layers) most = std::max(most, layer.kv_heads);
  return most;
}

void check_config(const ModelConfig& config, const std::string& file) {
  const ConfigKeys& keys = config.keys;
  const Range ranges[] = {
      {keys.layers, config.layers.size(), 1, kMaxLayers},
      {keys.hidden, config.hidden, 1, kMaxWidth},
      {keys.feed_forward, config.feed_forward, 1, kMaxWidth},
      {keys.vocabulary, config.vocabulary, 1, kLargestSampledVocabulary},
      {keys.query_heads, config.query_heads, 1, kMaxHeads},
      {keys.head_dim, config.head_dim, 8, 256},
      {keys.context_length, config.context_length, 1, kMaxContext},
      {keys.rotary_dims, config.rotary_dims, 2, config.head_dim},
  };
  for (const Range& range : ranges) {
    if (range.value < range.lowest || range.value > range.highest) {
      bad_file(file, "{} is {}, expected {} to {}", range.field, range.value, range.lowest, range.highest);
    }
  }
  if (config.head_dim % 8 != 0) {
    bad_file(file, "{} is {}, expected a multiple of 8", keys.head_dim, config.head_dim);
  }
  if (config.rotary_dims % 2 != 0) {
    bad_file(file, "{} is {}, expected an even number", keys.rotary_dims, config.rotary_dims);
  }
  if (std::uint64_t{config.query_heads} * config.head_dim > kMaxWidth) {
    bad_file(file, "{} is {} and {} is {}, their product exceeds {}", keys.query_heads, config.query_heads,
             keys.head_dim, config.head_dim, kMaxWidth);
  }
  if (!(config.norm_epsilon >= 0 && config.norm_epsilon < 1)) {
    bad_file(file, "{} is {}, expected at least 0 and less than 1", keys.norm_epsilon, config.norm_epsilon);
  }
  if (!(config.final_soft_cap >= 0) || !std::isfinite(config.final_soft_cap)) {
    bad_file(file, "{} is {}, expected a positive number, or 0 for none", keys.final_soft_cap, config.final_soft_cap);
  }
  check_rope(config.rope, config.rotary_dims, file);
  check_rope(config.local_rope, config.rotary_dims, file);
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    const std::uint32_t groups = config.layers[i].kv_heads;
    if (groups == 0 || groups > config.query_heads || config.query_heads % groups != 0) {
      bad_file(file, "{} is {} in layer {}, expected a divisor of the {} query heads", keys.kv_heads, groups, i,
               config.query_heads);
    }
  }
}

}  // namespace regroup
