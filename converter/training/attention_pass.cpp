#include "converter/training/attention_pass.h"

#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"

namespace regroup {
namespace {

Activations rows(Arena& arena, std::uint32_t tokens, std::uint32_t columns, std::string_view name) {
  return {arena.buffer(std::uint64_t{4} * tokens * columns, name), 0, columns};
}

WeightRows with_bias(const WeightRows& weights, const Eigen::VectorXf& bias, std::uint32_t inputs) {
  WeightRows out = WeightRows::Zero(weights.rows(), inputs);
  out.leftCols(weights.cols()) = weights;
  if (bias.size() > 0) out.col(weights.cols()) = bias;
  return out;
}

}  // namespace

DeviceAttention allocate_attention(Arena& arena, const AttentionLayer& sizes, std::uint32_t inputs) {
  const auto matrix = [&](std::uint32_t matrix_rows, std::uint32_t columns, std::string_view name) {
    return DeviceWeights{arena.buffer(std::uint64_t{4} * matrix_rows * columns, name), matrix_rows, columns};
  };
  const std::uint32_t query_rows = sizes.query_heads * sizes.head_dim, kv_rows = sizes.kv_heads * sizes.head_dim;
  return {matrix(query_rows, inputs, "query"), matrix(kv_rows, inputs, "key"), matrix(kv_rows, inputs, "value"),
          matrix(sizes.hidden, query_rows, "output")};
}

void upload_weights(Device& device, const WeightRows& weights, const DeviceWeights& to) {
  REGROUP_CHECK(weights.rows() == to.rows && weights.cols() == to.columns);
  upload_values<float>(device, *to.buffer.buffer, {weights.data(), static_cast<std::size_t>(weights.size())},
                       to.buffer.offset_bytes);
}

WeightRows download_weights(Device& device, const DeviceWeights& from) {
  WeightRows out(from.rows, from.columns);
  download(device, from.buffer, std::as_writable_bytes(std::span(out.data(), static_cast<std::size_t>(out.size()))));
  return out;
}

void upload_attention(Device& device, const AttentionLayer& layer, const DeviceAttention& to) {
  upload_weights(device, with_bias(layer.query, layer.query_bias, to.query.columns), to.query);
  upload_weights(device, with_bias(layer.key, layer.key_bias, to.key.columns), to.key);
  upload_weights(device, with_bias(layer.value, layer.value_bias, to.value.columns), to.value);
  upload_weights(device, layer.output, to.output);
}

AttentionPass::AttentionPass(Device& device, const KernelProfile& profile, const SequenceShape& shape,
                             const AttentionSettings& settings)
    : device_(device),
      profile_(profile),
      shape_(shape),
      settings_(settings),
      arena_(device, MemoryUse::kDevice, "attention pass") {
  REGROUP_CHECK(shape.sequences > 0 && shape.length > 0 && shape.head_dim % 4 == 0);
  REGROUP_CHECK(shape.kv_heads > 0 && shape.query_heads % shape.kv_heads == 0);
  queries = rows(arena_, shape.tokens(), shape.query_width(), "queries");
  keys = rows(arena_, shape.tokens(), shape.kv_width(), "keys");
  values = rows(arena_, shape.tokens(), shape.kv_width(), "values");
  heads = rows(arena_, shape.tokens(), shape.query_width(), "heads");
  weights = arena_.buffer(4 * shape.square_floats(), "attention weights");
}

SequenceShape AttentionPass::of(std::uint32_t sequences) const {
  REGROUP_CHECK(sequences > 0 && sequences <= shape_.sequences);
  SequenceShape out = shape_;
  out.sequences = sequences;
  return out;
}

void AttentionPass::forward(CommandList& list, const DeviceAttention& w, const Activations& x, const Activations& y,
                            std::uint32_t sequences, float beta) {
  const SequenceShape s = of(sequences);
  AttentionProducts products(list, profile_);
  products.project(x, w.query, queries, s.tokens());
  products.project(x, w.key, keys, s.tokens());
  products.project(x, w.value, values, s.tokens());
  products.rotate(s, queries, s.query_heads, settings_.rope_table, settings_.rotary_dims);
  products.rotate(s, keys, s.kv_heads, settings_.rope_table, settings_.rotary_dims);
  products.pair(s, queries, keys, weights, settings_.scale);
  products.softmax(s, weights, settings_.window);
  products.gather(s, weights, values, heads);
  products.project(heads, w.output, y, s.tokens(), 1, beta);
}

void AttentionPass::allocate_backward() {
  if (weights_gradient_) return;
  heads_gradient_ = rows(arena_, shape_.tokens(), shape_.query_width(), "gradient of heads");
  queries_gradient_ = rows(arena_, shape_.tokens(), shape_.query_width(), "gradient of queries");
  kv_gradient_ = rows(arena_, shape_.tokens(), shape_.kv_width(), "gradient of keys or values");
  weights_gradient_ = arena_.buffer(4 * shape_.square_floats(), "gradient of attention weights");
}

void AttentionPass::backward(CommandList& list, const DeviceAttention& w, const Activations& x, const Activations& dy,
                             const DeviceAttention& gradients, std::uint32_t sequences, float alpha, float beta) {
  record_backward(list, w, x, dy, {&gradients, nullptr, alpha, beta}, sequences);
}

void AttentionPass::backward_to_inputs(CommandList& list, const DeviceAttention& w, const Activations& x,
                                       const Activations& dy, const DeviceAttention* gradients, const Activations& dx,
                                       std::uint32_t sequences) {
  record_backward(list, w, x, dy, {gradients, &dx}, sequences);
}

void AttentionPass::record_backward(CommandList& list, const DeviceAttention& w, const Activations& x,
                                    const Activations& dy, const Gradients& to, std::uint32_t sequences) {
  allocate_backward();
  const SequenceShape s = of(sequences);
  const std::uint32_t tokens = s.tokens();
  AttentionProducts products(list, profile_);
  // The gradient of a projection of x, passed on to the projection's weights and to x.
  const auto pass_on = [&](const Activations& gradient, const DeviceWeights& matrix,
                           DeviceWeights DeviceAttention::*member, bool first) {
    if (to.weights != nullptr) {
      products.weight_gradient(gradient, x, to.weights->*member, tokens, to.alpha, to.beta);
    }
    if (to.inputs != nullptr) products.project_back(gradient, matrix, *to.inputs, tokens, 1, first ? 0.0f : 1.0f);
  };
  if (to.weights != nullptr) products.weight_gradient(dy, heads, to.weights->output, tokens, to.alpha, to.beta);
  products.project_back(dy, w.output, heads_gradient_, tokens);
  products.scatter(s, weights, heads_gradient_, kv_gradient_);
  pass_on(kv_gradient_, w.value, &DeviceAttention::value, true);
  // Through the softmax: gradient of the weights, then of the logits.
  products.pair(s, heads_gradient_, values, weights_gradient_, 1);
  products.softmax_backward(s, weights, weights_gradient_);
  products.gather(s, weights_gradient_, keys, queries_gradient_, settings_.scale);
  products.scatter(s, weights_gradient_, queries, kv_gradient_, settings_.scale);
  // A rotation's gradient turns back.
  products.rotate(s, queries_gradient_, s.query_heads, settings_.rope_table, settings_.rotary_dims, true);
  products.rotate(s, kv_gradient_, s.kv_heads, settings_.rope_table, settings_.rotary_dims, true);
  pass_on(queries_gradient_, w.query, &DeviceAttention::query, false);
  pass_on(kv_gradient_, w.key, &DeviceAttention::key, false);
}

}  // namespace regroup
