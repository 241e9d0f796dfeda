#include "converter/training/model_pass.h"

#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"
#include "runtime/ops/gate_backward.h"
#include "runtime/ops/gated_activation.h"
#include "runtime/ops/norm_backward.h"
#include "runtime/ops/rms_norm.h"

namespace regroup {
namespace {

// As the residual streams of calibration text have it.
std::uint32_t stream_stride(std::uint32_t columns) {
  return (columns + 31) / 32 * 32;
}

BufferView first_rows(const Activations& rows, std::uint32_t count) {
  return {*rows.buffer.buffer, rows.buffer.offset_bytes + std::uint64_t{4} * rows.offset,
          std::uint64_t{4} * count * rows.stride};
}

}  // namespace

ModelPass::ModelPass(const FrozenModel& model, const std::vector<std::uint32_t>& kv_heads, std::uint32_t sequences,
                     std::uint32_t length)
    : model_(model), sequences_(sequences), length_(length), arena_(model.device(), MemoryUse::kDevice, "model pass") {
  const ModelConfig& config = model.config();
  REGROUP_CHECK(kv_heads.size() == config.layer_count());
  const std::uint32_t stride = stream_stride(config.hidden), inputs = model.input_columns();
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    const SequenceShape shape{sequences, length, config.query_heads, kv_heads[l], config.head_dim};
    layers_.push_back(
        {.attention = std::make_unique<AttentionPass>(model.device(), model.profile(), shape, model.layer(l).attention),
         .before = rows(stride, "stream"),
         .normed = rows(inputs, "normed stream"),
         .between = rows(stride, "stream"),
         .gate = rows(config.feed_forward, "gate"),
         .up = rows(config.feed_forward, "up")});
    // The input that is always 1 stands behind what the norm writes.
    if (inputs > config.hidden) {
      WeightRows ones = WeightRows::Zero(tokens(), inputs);
      ones.col(config.hidden).setOnes();
      upload_weights(model.device(), ones, {layers_.back().normed.buffer, tokens(), inputs});
    }
  }
  last_ = rows(stride, "stream");
  states = rows(stride, "states");
  normed_ = rows(config.hidden, "normed stream");
  hidden_ = rows(config.feed_forward, "hidden");
  stream_gradient_ = rows(stride, "gradient of the stream");
  d_normed_ = rows(inputs, "gradient of a norm");
  d_hidden_ = rows(config.feed_forward, "gradient of hidden");
}

Activations ModelPass::rows(std::uint32_t columns, std::string_view name) {
  return {arena_.buffer(std::uint64_t{4} * tokens() * columns, name), 0, columns};
}

void ModelPass::norm(CommandList& list, const Activations& x, const BufferView& gain, const Activations& y,
                     std::uint32_t tokens) {
  record(list, model_.profile(),
         RmsNorm{.x = x,
                 .y = y,
                 .gain = gain,
                 .columns = model_.config().hidden,
                 .tokens = tokens,
                 .epsilon = model_.config().norm_epsilon});
}

void ModelPass::norm_back(CommandList& list, const Activations& x, const BufferView& gain, const Activations& dy,
                          std::uint32_t tokens) {
  record(list, model_.profile(),
         NormBackward{.x = x,
                      .dy = dy,
                      .gain = gain,
                      .dx = stream_gradient_,
                      .columns = model_.config().hidden,
                      .rows = tokens,
                      .epsilon = model_.config().norm_epsilon});
}

void ModelPass::forward(CommandList& list, const std::vector<DeviceAttention>& attention, const Activations& embedded,
                        std::uint32_t sequences) {
  REGROUP_CHECK(sequences > 0 && sequences <= sequences_ && embedded.stride == states.stride);
  const std::uint32_t count = sequences * length_;
  AttentionProducts products(list, model_.profile());
  list.copy(first_rows(embedded, count), first_rows(layers_.front().before, count));
  for (std::uint32_t l = 0; l < layers_.size(); ++l) {
    Layer& layer = layers_[l];
    const FrozenLayer& frozen = model_.layer(l);
    norm(list, layer.before, frozen.attention_norm, layer.normed, count);
    list.copy(first_rows(layer.before, count), first_rows(layer.between, count));
    layer.attention->forward(list, attention[l], layer.normed, layer.between, sequences, 1);
    norm(list, layer.between, frozen.feed_forward_norm, normed_, count);
    products.project(normed_, frozen.gate, layer.gate, count);
    products.project(normed_, frozen.up, layer.up, count);
    record(list, model_.profile(),
           GatedProduct{.gate = layer.gate,
                        .up = layer.up,
                        .y = hidden_,
                        .columns = model_.config().feed_forward,
                        .tokens = count,
                        .activation = model_.config().activation});
    const Activations& after = l + 1 < layers_.size() ? layers_[l + 1].before : last_;
    list.copy(first_rows(layer.between, count), first_rows(after, count));
    products.project(hidden_, frozen.down, after, count, 1, 1);
  }
  norm(list, last_, model_.final_norm(), states, count);
}

void ModelPass::backward(CommandList& list, const std::vector<DeviceAttention>& attention, const Activations& dstates,
                         const std::vector<const DeviceAttention*>& gradients, std::uint32_t sequences) {
  REGROUP_CHECK(sequences > 0 && sequences <= sequences_ && gradients.size() == layers_.size());
  const std::uint32_t count = sequences * length_;
  AttentionProducts products(list, model_.profile());
  list.fill(first_rows(stream_gradient_, count), 0);
  norm_back(list, last_, model_.final_norm(), dstates, count);
  std::uint32_t lowest = 0;
  while (lowest < layers_.size() && gradients[lowest] == nullptr) ++lowest;
  for (std::uint32_t l = static_cast<std::uint32_t>(layers_.size()); l-- > lowest;) {
    Layer& layer = layers_[l];
    const FrozenLayer& frozen = model_.layer(l);
    products.project_back(stream_gradient_, frozen.down, d_hidden_, count);
    record(list, model_.profile(),
           GateBackward{.gate = layer.gate,
                        .up = layer.up,
                        .dy = d_hidden_,
                        .columns = model_.config().feed_forward,
                        .tokens = count,
                        .activation = model_.config().activation});
    products.project_back(layer.gate, frozen.gate, d_normed_, count);
    products.project_back(layer.up, frozen.up, d_normed_, count, 1, 1);
    norm_back(list, layer.between, frozen.feed_forward_norm, d_normed_, count);
    if (l == lowest) {
      layer.attention->backward(list, attention[l], layer.normed, stream_gradient_, *gradients[l], sequences);
    } else {
      layer.attention->backward_to_inputs(list, attention[l], layer.normed, stream_gradient_, gradients[l], d_normed_,
                                          sequences);
      norm_back(list, layer.before, frozen.attention_norm, d_normed_, count);
    }
  }
}

}  // namespace regroup
