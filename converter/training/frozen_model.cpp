#include "converter/training/frozen_model.h"

#include <iterator>

#include "converter/attention_layer_io.h"
#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/rope_table.h"
#include "runtime/ops/divergence_backward.h"

namespace regroup {
namespace {

using Role = TensorRole;

constexpr Role kBiases[] = {Role::kQueryBias, Role::kKeyBias, Role::kValueBias};

// How many of the biases that Q, K and V of all layers can have there are.
std::size_t count_biases(const TensorTable& table, const ModelConfig& config) {
  std::size_t count = 0;
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    for (const Role role : kBiases) count += table.find(role, l) != nullptr;
  }
  return count;
}

}  // namespace

std::optional<std::string> FrozenModel::refusal(const TensorTable& table, const ModelConfig& config) {
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    for (const Role role : {Role::kQueryNorm, Role::kKeyNorm, Role::kPostAttentionNorm, Role::kPostFeedForwardNorm,
                            Role::kAttentionOutputBias, Role::kGateBias, Role::kUpBias, Role::kDownBias}) {
      if (table.find(role, l) != nullptr) return "its layers have norms or biases that no gradient is known for";
    }
  }
  // A bias that is not there would be trained with the others, and lost.
  const std::size_t biases = count_biases(table, config);
  if (biases != 0 && biases != std::size(kBiases) * config.layer_count()) {
    return "only some of its queries, keys and values have biases";
  }
  if (config.final_soft_cap > 0) return "its logits are capped";
  if (config.norms_lack_one) return "its norms are stored without their one";
  if (config.hidden % 4 != 0 || config.feed_forward % 4 != 0 || config.head_dim % 4 != 0) {
    return "4 does not divide its widths";
  }
  if (config.vocabulary > kMostDivergenceColumns) {
    return fmt::format("its vocabulary has more than {} tokens", kMostDivergenceColumns);
  }
  return std::nullopt;
}

std::uint64_t FrozenModel::bytes(const ModelConfig& config) {
  std::uint64_t floats = std::uint64_t{config.vocabulary} * config.hidden;
  for (const LayerConfig& layer : config.layers) {
    const std::uint64_t attention = std::uint64_t{2} * (config.query_heads + layer.kv_heads) * config.head_dim;
    floats += config.hidden * (attention + std::uint64_t{3} * config.feed_forward);
  }
  return 4 * floats;
}

FrozenModel::FrozenModel(Device& device, const KernelProfile& profile, const TensorTable& table,
                         const ModelConfig& config, std::uint32_t positions)
    : device_(device),
      profile_(profile),
      config_(config),
      arena_(device, MemoryUse::kDevice, "frozen model"),
      input_columns_(config.hidden + (count_biases(table, config) > 0 ? 4 : 0)) {
  const BufferView rope = rope_table(config.rope, positions);
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    const LayerConfig& layer = config.layers[l];
    layers_.push_back(
        {.gate = upload_matrix(table.get(Role::kGate, l)),
         .up = upload_matrix(table.get(Role::kUp, l)),
         .down = upload_matrix(table.get(Role::kDown, l)),
         .attention_norm = upload_vector(table.get(Role::kAttentionNorm, l)),
         .feed_forward_norm = upload_vector(table.get(Role::kFeedForwardNorm, l)),
         .attention = {.rotary_dims = config.rotary_dims,
                       .scale = config.attention_scale,
                       .window = layer.window,
                       .rope_table = layer.local_rope ? rope_table(config.local_rope, positions) : rope}});
  }
  final_norm_ = upload_vector(table.get(Role::kFinalNorm));
  const FileTensor* output = table.find(Role::kOutput);
  output_ = upload_matrix(output != nullptr ? *output : table.get(Role::kEmbedding));
}

DeviceWeights FrozenModel::upload_matrix(const FileTensor& tensor) {
  const WeightRows values = read_matrix(tensor);
  const DeviceWeights out{arena_.buffer(4 * static_cast<std::uint64_t>(values.size()), "matrix"),
                          static_cast<std::uint32_t>(values.rows()), static_cast<std::uint32_t>(values.cols())};
  upload_weights(device_, values, out);
  return out;
}

BufferView FrozenModel::upload_vector(const FileTensor& tensor) {
  const Eigen::VectorXf values = read_vector(&tensor);
  const std::span<const float> span(values.data(), static_cast<std::size_t>(values.size()));
  const Buffer& buffer = arena_.buffer(span.size_bytes(), "gain");
  upload_values<float>(device_, buffer, span);
  return buffer;
}

BufferView FrozenModel::rope_table(const RopeConfig& rope, std::uint32_t positions) {
  const std::vector<float> values = make_rope_table(rope, config_.rotary_dims, positions);
  const Buffer& buffer = arena_.buffer(std::max<std::size_t>(4 * values.size(), 4), "rope table");
  if (!values.empty()) upload_values<float>(device_, buffer, values);
  return buffer;
}

}  // namespace regroup
