#include "runtime/model/activations.h"

#include <algorithm>

#include "runtime/gpu/command_list.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/rope_table.h"
#include "runtime/ops/attention.h"

namespace regroup {
namespace {

// Rows start at whole blocks of 32 columns, so that kernels may read full blocks.
std::uint32_t row_stride(std::uint32_t columns) {
  return (columns + 31) / 32 * 32;
}

std::uint32_t qkv_columns(const ModelConfig& config) {
  return (config.query_heads + 2 * config.most_kv_heads()) * config.head_dim;
}

}  // namespace

std::uint32_t residual_stride(const ModelConfig& config) {
  return row_stride(config.hidden);
}

std::uint32_t qkv_stride(const ModelConfig& config) {
  return row_stride(qkv_columns(config));
}

StepActivations::StepActivations(const Model& model, std::uint32_t tokens, std::uint32_t rows_of_logits,
                                 std::uint32_t rope_positions)
    : arena(model.device(), MemoryUse::kDevice, "activations"), max_tokens(tokens), logit_rows(rows_of_logits) {
  Device& device = model.device();
  const ModelConfig& config = model.config();
  CommandList zero(device);
  const auto rows = [&](std::uint32_t count, std::uint32_t columns, const char* name) {
    const Buffer& buffer = arena.buffer(std::uint64_t{count} * row_stride(columns) * 4, name);
    zero.fill(buffer, 0);
    return Activations{buffer, 0, row_stride(columns)};
  };
  residual = rows(tokens, config.hidden, "residual");
  normed = rows(tokens, config.hidden, "normed");
  qkv = rows(tokens, qkv_columns(config), "queries, keys, values");
  attention = rows(tokens, config.query_columns(), "attention");
  projected = rows(tokens, config.hidden, "projected");
  gate = rows(tokens, config.feed_forward, "gate");
  up = rows(tokens, config.feed_forward, "up");
  logits = rows(rows_of_logits, config.vocabulary, "logits");
  attention_scratch =
      arena.buffer(attention_scratch_bytes(device, model.profile(), config.query_heads, config.head_dim, tokens),
                   "attention scratch");
  zero.run();
  const auto table = [&](const RopeConfig& rope) {
    const auto values = make_rope_table(rope, config.rotary_dims, rope_positions);
    const Buffer& buffer = arena.buffer(std::max<std::size_t>(values.size() * 4, 16), "rotary table");
    upload_values<float>(device, buffer, values);
    return BufferView(buffer);
  };
  rope_table = table(config.rope);
  const bool has_local = std::any_of(config.layers.begin(), config.layers.end(),
                                     [](const LayerConfig& layer) { return layer.local_rope; });
  local_rope_table = has_local ? table(config.local_rope) : rope_table;
}

}  // namespace regroup
