#include "converter/residual_streams.h"

#include <numeric>
#include <vector>

#include "converter/layer_biases.h"
#include "runtime/core/error.h"
#include "runtime/gpu/command_list.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/architecture.h"
#include "runtime/model/step.h"
#include "runtime/ops/embedding.h"
#include "runtime/ops/rms_norm.h"

namespace regroup {
namespace {

std::uint32_t row_stride(std::uint32_t columns) {
  return (columns + 31) / 32 * 32;
}

std::span<const std::byte> bytes_of(const WeightRows& rows) {
  return std::as_bytes(std::span(rows.data(), static_cast<std::size_t>(rows.size())));
}

std::span<const float> values_of(const Eigen::VectorXf& vector) {
  return {vector.data(), static_cast<std::size_t>(vector.size())};
}

}  // namespace

ResidualStreams::ResidualStreams(Device& device, const ModelConfig& config, const CalibrationText& text)
    : device_(device),
      arena_(device, MemoryUse::kDevice, "calibration activations"),
      sequences_(text.sequences),
      sequence_length_(text.sequence_length) {
  const std::uint32_t stride = row_stride(config.hidden);
  const Buffer& buffer =
      arena_.buffer(std::uint64_t{text.sequences} * text.sequence_length * stride * 4, "residual streams");
  CommandList zero(device);
  zero.fill(buffer, 0);
  zero.run();
  rows_ = {buffer, 0, stride};
}

Activations ResidualStreams::sequence(std::uint32_t index) const {
  Activations out = rows_;
  out.offset += index * sequence_length_ * rows_.stride;
  return out;
}

void ResidualStreams::copy_from(const ResidualStreams& other, std::uint32_t first) {
  REGROUP_CHECK(first + sequences_ <= other.sequences_ && sequence_length_ == other.sequence_length_);
  const std::uint64_t sequence_bytes = std::uint64_t{sequence_length_} * rows_.stride * 4;
  CommandList list(device_);
  list.copy(BufferView(*other.rows_.buffer.buffer, first * sequence_bytes, sequences_ * sequence_bytes),
            BufferView(*rows_.buffer.buffer, 0, sequences_ * sequence_bytes));
  list.run();
}

ResidentLayer::ResidentLayer(Device& device, const KernelProfile& profile, const ModelFile& file, std::uint32_t layer,
                             const CalibrationText& text, const CancelFlag* cancel)
    : length_(text.sequence_length),
      model_(Model::load(device, profile, file, {}, cancel,
                         {.first_layer = layer, .layer_count = 1, .embedding = false, .output = false})),
      positions_arena_(device, MemoryUse::kDevice, "positions"),
      activations_(*model_, length_, 1, length_) {
  std::vector<std::uint32_t> positions(length_);
  std::iota(positions.begin(), positions.end(), 0u);
  const Buffer& buffer = positions_arena_.buffer(positions.size() * 4, "positions");
  upload_values<std::uint32_t>(device, buffer, positions);
  positions_ = buffer;
}

BufferView ResidentLayer::rope_table() const {
  return model_->config().layers[0].local_rope ? activations_.local_rope_table : activations_.rope_table;
}

void ResidentLayer::normed_inputs(const ResidualStreams& streams, const Activations& normed, const CancelFlag* cancel) {
  CommandList list(model_->device());
  for (std::uint32_t s = 0; s < streams.sequences(); ++s) {
    Activations to = normed;
    to.offset += s * length_ * normed.stride;
    record(list, model_->profile(),
           RmsNorm{.x = streams.sequence(s),
                   .y = to,
                   .gain = model_->layer(0).attention_norm,
                   .columns = model_->config().hidden,
                   .tokens = length_,
                   .epsilon = model_->config().norm_epsilon});
  }
  list.run(cancel);
}

void ResidentLayer::advance(ResidualStreams& streams, const AttentionLayer* merged, const CancelFlag* cancel,
                            std::uint32_t first) {
  Grouping grouping(*model_, GroupPlan::identity(model_->config()));
  std::uint32_t groups = model_->config().layers[0].kv_heads;
  if (merged != nullptr) {
    groups = merged->kv_heads;
    const LayerBiases biases = complete_biases(*merged);
    grouping.replace(0, {.groups = groups,
                         .query = bytes_of(merged->query),
                         .key = bytes_of(merged->key),
                         .value = bytes_of(merged->value),
                         .output = bytes_of(merged->output),
                         .query_bias = values_of(biases.query),
                         .key_bias = values_of(biases.key),
                         .value_bias = values_of(biases.value)});
  }
  const KvCache cache(model_->device(), model_->config(), {groups}, CacheType::kF32, length_);
  CommandList list(model_->device());
  const Activations own = activations_.residual;
  for (std::uint32_t s = first; s < streams.sequences(); ++s) {
    list.reset();
    activations_.residual = streams.sequence(s);
    const Step step{.list = list,
                    .model = *model_,
                    .grouping = grouping,
                    .cache = cache,
                    .activations = activations_,
                    .tokens = positions_,  // not read by a layer
                    .positions = positions_,
                    .token_count = length_,
                    .longest_context = length_,
                    .logits = LogitRows::kNone};
    model_->architecture().record_layer(step, 0);
    list.run(cancel);
  }
  activations_.residual = own;
}

void embed(Device& device, const KernelProfile& profile, const ModelFile& file, const CalibrationText& text,
           ResidualStreams& streams, const CancelFlag* cancel) {
  const auto model =
      Model::load(device, profile, file, {}, cancel, {.layer_count = 0, .embedding = true, .output = false});
  Arena arena(device, MemoryUse::kDevice, "calibration tokens");
  CommandList list(device);
  const std::uint32_t length = text.sequence_length;
  for (std::uint32_t s = 0; s < text.sequences; ++s) {
    const Buffer& tokens = arena.buffer(length * 4ull, "tokens");
    upload_values<std::uint32_t>(device, tokens, std::span(text.tokens).subspan(std::size_t{s} * length, length));
    record(list, profile,
           Embedding{.table = model->embedding(),
                     .tokens = tokens,
                     .y = streams.sequence(s),
                     .token_count = length,
                     .scale = model->config().embedding_scale});
  }
  list.run(cancel);
}

}  // namespace regroup
