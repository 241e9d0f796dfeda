#include "runtime/decode/step_recorder.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"

namespace regroup {
namespace {

// The first `columns` of each row of `stride` elements.
std::vector<float> dense_rows(const std::vector<float>& padded, std::size_t stride, std::size_t columns) {
  std::vector<float> dense;
  dense.reserve(padded.size() / stride * columns);
  for (std::size_t at = 0; at + stride <= padded.size(); at += stride) {
    dense.insert(dense.end(), padded.begin() + static_cast<std::ptrdiff_t>(at),
                 padded.begin() + static_cast<std::ptrdiff_t>(at + columns));
  }
  return dense;
}

}  // namespace

StepRecorder::StepRecorder(const Model& model, std::uint32_t max_tokens, StepObserver observer)
    : model_(model),
      observer_(std::move(observer)),
      arena_(model.device(), MemoryUse::kReadback, "observed step"),
      qkv_stride_(qkv_stride(model.config())),
      residual_stride_(residual_stride(model.config())) {
  const std::uint32_t layers = model.config().layer_count();
  if (observer_.attention_layer) {
    if (*observer_.attention_layer >= layers) {
      throw_error(ErrorCode::kUsage, "cannot observe layer {}: the model has {} layers", *observer_.attention_layer,
                  layers);
    }
    watch_.layer = observer_.attention_layer;
    watch_.qkv = arena_.buffer(std::uint64_t{max_tokens} * qkv_stride_ * 4, "observed queries");
  }
  if (observer_.residuals) {
    watch_.residuals = arena_.buffer(std::uint64_t{layers} * residual_stride_ * 4, "observed residuals");
  }
}

void StepRecorder::report(std::uint32_t first_position, std::uint32_t token_count) const {
  const ModelConfig& config = model_.config();
  ObservedStep step{.first_position = first_position, .token_count = token_count};
  if (watch_.qkv) {
    step.queries =
        dense_rows(download_values<float>(model_.device(), watch_.qkv, std::size_t{token_count} * qkv_stride_),
                   qkv_stride_, config.query_columns());
  }
  if (watch_.residuals) {
    step.residuals = dense_rows(
        download_values<float>(model_.device(), watch_.residuals, std::size_t{config.layer_count()} * residual_stride_),
        residual_stride_, config.hidden);
  }
  observer_.on_step(step);
}

}  // namespace regroup
