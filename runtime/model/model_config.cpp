#include "runtime/model/model_config.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/error.h"
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
  const char* field;
  std::uint64_t value, lowest, highest;
};

}  // namespace

std::uint32_t ModelConfig::most_kv_heads() const {
  std::uint32_t most = 0;
  for (const LayerConfig& layer : layers) most = std::max(most, layer.kv_heads);
  return most;
}

void check_config(const ModelConfig& config, const std::string& file) {
  const Range ranges[] = {
      {"layers", config.layers.size(), 1, kMaxLayers},
      {"hidden size", config.hidden, 1, kMaxWidth},
      {"feed-forward size", config.feed_forward, 1, kMaxWidth},
      {"vocabulary size", config.vocabulary, 1, kLargestSampledVocabulary},
      {"query heads", config.query_heads, 1, kMaxHeads},
      {"head_dim", config.head_dim, 8, 256},
      {"context length", config.context_length, 1, kMaxContext},
      {"rotary dimensions", config.rotary_dims, 2, config.head_dim},
  };
  for (const Range& range : ranges) {
    if (range.value < range.lowest || range.value > range.highest) {
      throw_error(ErrorCode::kBadModel, "{}: {} is {}, expected {} to {}", file, range.field, range.value, range.lowest,
                  range.highest);
    }
  }
  if (config.head_dim % 8 != 0) {
    throw_error(ErrorCode::kBadModel, "{}: head_dim is {}, expected a multiple of 8", file, config.head_dim);
  }
  if (config.rotary_dims % 2 != 0) {
    throw_error(ErrorCode::kBadModel, "{}: rotary dimensions are {}, expected an even number", file,
                config.rotary_dims);
  }
  if (std::uint64_t{config.query_heads} * config.head_dim > kMaxWidth) {
    throw_error(ErrorCode::kBadModel, "{}: {} query heads of {} elements exceed a width of {}", file,
                config.query_heads, config.head_dim, kMaxWidth);
  }
  if (!(config.norm_epsilon >= 0 && config.norm_epsilon < 1)) {
    throw_error(ErrorCode::kBadModel, "{}: norm epsilon is {}, expected 0 to 1", file, config.norm_epsilon);
  }
  if (!(config.final_soft_cap >= 0) || !std::isfinite(config.final_soft_cap)) {
    throw_error(ErrorCode::kBadModel, "{}: the logits' soft cap is {}, expected a positive number, or 0 for none", file,
                config.final_soft_cap);
  }
  check_rope(config.rope, config.rotary_dims, file);
  check_rope(config.local_rope, config.rotary_dims, file);
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    const std::uint32_t groups = config.layers[i].kv_heads;
    if (groups == 0 || groups > config.query_heads || config.query_heads % groups != 0) {
      throw_error(ErrorCode::kBadModel, "{}: layer {} has {} KV heads, expected a divisor of its {} query heads", file,
                  i, groups, config.query_heads);
    }
  }
}

}  // namespace regroup
