#include "converter/layer_calibration.h"

#include <algorithm>
#include <cmath>

#include "converter/training/statistics_pass.h"
#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"
#include "runtime/ops/row_error.h"

namespace regroup {
namespace {

// Attention weights of a batch of sequences: below the guaranteed range of a storage buffer, and small beside a model.
constexpr std::uint64_t kMaxSquareBytes = std::uint64_t{96} << 20;

bool has_bias(const AttentionLayer& layer) {
  return layer.query_bias.size() > 0 || layer.key_bias.size() > 0 || layer.value_bias.size() > 0;
}

std::uint32_t up_to_chunks(std::uint32_t elements) {
  return (elements + 3) / 4 * 4;
}

// [x, 1, 0 ..]: x times rows of the identity, plus a column of ones.
Activations with_ones(const CalibrationInputs& inputs, const Activations& x, std::uint32_t columns, Arena& arena) {
  const std::uint32_t d = inputs.source.hidden, tokens = inputs.sequences * inputs.sequence_length;
  const std::uint32_t depth = up_to_chunks(d);
  Arena temporary(inputs.device, MemoryUse::kDevice, "identity");
  const DeviceWeights identity{temporary.buffer(std::uint64_t{4} * columns * depth, "identity"), columns, depth};
  WeightRows matrix = WeightRows::Zero(columns, depth);
  matrix.topLeftCorner(d, d).setIdentity();
  upload_weights(inputs.device, matrix, identity);
  const DeviceWeights last{temporary.buffer(std::uint64_t{16} * columns, "one"), columns, 4};
  matrix = WeightRows::Zero(columns, 4);
  matrix(d, 0) = 1;
  upload_weights(inputs.device, matrix, last);
  const Activations ones{temporary.buffer(std::uint64_t{16} * tokens, "ones"), 0, 4};
  const Activations out{arena.buffer(std::uint64_t{4} * tokens * columns, "inputs with ones"), 0, columns};
  CommandList list(inputs.device);
  list.fill(ones.buffer, 0x3f800000u);
  AttentionProducts products(list, inputs.profile);
  products.project(x, identity, out, tokens);
  products.project(ones, last, out, tokens, 1, 1);
  list.run();
  return out;
}

// NaN stays what it is: it is no perfect layer.
double ratio(double difference, double square) {
  if (square > 0) return difference / square;
  return difference > 0 ? 1.0 : difference;
}

bool is_finite(const LayerStatistics& statistics) {
  const auto all = [](const auto& matrices) {
    return std::all_of(matrices.begin(), matrices.end(), [](const auto& matrix) { return matrix.allFinite(); });
  };
  return statistics.value_gram.allFinite() && all(statistics.key_gram) && statistics.query_energy.allFinite() &&
         statistics.unrotated_key_gram.allFinite() && all(statistics.unrotated_query_gram) &&
         statistics.logit_sensitivity.allFinite();
}

}  // namespace

void check_finite(bool finite, std::uint32_t layer) {
  if (finite) return;
  throw_error(ErrorCode::kNotANumber,
              "layer {}: what the model itself computes on the calibration text is not finite, so that no merge can be "
              "compared with it; merge by a method that uses no text, such as mean, or get the checkpoint again",
              layer);
}

LayerCalibration::LayerCalibration(const CalibrationInputs& inputs, const CancelFlag* cancel)
    : inputs_(inputs), cancel_(cancel), arena_(inputs.device, MemoryUse::kDevice, "layer calibration") {
  const AttentionLayer& source = inputs.source;
  REGROUP_CHECK(inputs.sequences > inputs.held_out && inputs.sequence_length > 0);
  REGROUP_CHECK(source.kv_heads > 0 && source.query_heads % source.kv_heads == 0);
  if (source.qk_norm) {
    throw_error(
        ErrorCode::kUsage,
        "calibrating a layer whose queries and keys are normed per head is not possible; use a method that needs "
        "the weights only, such as mean");
  }
  if (source.head_dim % 4 != 0) {
    throw_error(ErrorCode::kUsage, "calibrating attention heads of {} dims is not possible: 4 must divide them",
                source.head_dim);
  }
  teacher_ = inputs.teacher;
  student_ = inputs.student;
  input_width_ = source.hidden + (has_bias(source) ? 1 : 0);
  input_columns_ = up_to_chunks(input_width_);
  if (has_bias(source)) {
    const bool shared = teacher_.buffer.buffer == student_.buffer.buffer && teacher_.offset == student_.offset &&
                        teacher_.buffer.offset_bytes == student_.buffer.offset_bytes &&
                        teacher_.stride == student_.stride;
    teacher_ = with_ones(inputs, inputs.teacher, input_columns_, arena_);
    student_ = shared ? teacher_ : with_ones(inputs, inputs.student, input_columns_, arena_);
  }
  const std::uint32_t stride = up_to_chunks(source.hidden);
  target_ = {arena_.buffer(std::uint64_t{4} * sequences() * length() * stride, "target"), 0, stride};

  Arena weights(device(), MemoryUse::kDevice, "teacher");
  const DeviceAttention teacher = allocate_attention(weights, source, input_columns_);
  upload_attention(device(), source, teacher);
  AttentionPass pass(device(), profile(), batch_shape(source.kv_heads), settings());
  StatisticsPass statistics(device(), profile(), source, fitted_sequences(), length());
  CommandList list(device());
  for (std::uint32_t first = 0; first < sequences(); first += pass.shape().sequences) {
    const std::uint32_t count = std::min(pass.shape().sequences, sequences() - first);
    pass.forward(list, teacher, rows_from(teacher_, first * length()), rows_from(target_, first * length()), count);
    list.run(cancel_);
    list.reset();
    if (first < fitted_sequences()) statistics.add(pass, std::min(count, fitted_sequences() - first), cancel_);
  }
  statistics_ = statistics.finish();
  check_finite(is_finite(statistics_), inputs.layer);
}

LayerCalibration::~LayerCalibration() = default;

AttentionSettings LayerCalibration::settings() const {
  return {inputs_.source.rotary_dims, inputs_.source.scale, inputs_.window, inputs_.rope_table};
}

std::uint32_t LayerCalibration::least_squares_sequences() const {
  constexpr std::uint32_t kLeastTokens = 10240, kTokensPerInput = 16;
  const std::uint32_t tokens = std::max(kLeastTokens, kTokensPerInput * input_width_);
  return std::min(fitted_sequences(), (tokens + length() - 1) / length());
}

std::uint32_t LayerCalibration::batch_sequences() const {
  const std::uint64_t limit = std::min(
      {kMaxSquareBytes, device().features().max_storage_buffer_range, device().features().max_allocation_bytes});
  SequenceShape one{1, length(), source().query_heads, source().kv_heads, source().head_dim};
  const std::uint64_t bytes = 4 * one.square_floats();
  if (bytes > limit) {
    throw_error(
        ErrorCode::kUsage,
        "the attention weights of {} heads over a calibration sequence of {} tokens take {} MiB; at most {} MiB "
        "fit one buffer: use shorter sequences",
        source().query_heads, length(), bytes >> 20, limit >> 20);
  }
  // Of wide heads over short sequences, queries are what takes most.
  const std::uint64_t widest = std::max(bytes, std::uint64_t{4} * one.tokens() * one.query_width());
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(limit / widest, 1, sequences()));
}

SequenceShape LayerCalibration::batch_shape(std::uint32_t kv_heads) const {
  return {batch_sequences(), length(), source().query_heads, kv_heads, source().head_dim};
}

LayerError LayerCalibration::error(const AttentionLayer& merged) {
  return error_from(merged, 0);
}

double LayerCalibration::held_out_error(const AttentionLayer& merged) {
  return error_from(merged, inputs_.held_out > 0 ? fitted_sequences() : 0).held_out;
}

LayerError LayerCalibration::error_from(const AttentionLayer& merged, std::uint32_t first_sequence) {
  REGROUP_CHECK(merged.hidden == source().hidden && merged.query_heads == source().query_heads);
  REGROUP_CHECK(merged.head_dim == source().head_dim);
  Arena arena(device(), MemoryUse::kDevice, "error");
  const DeviceAttention student = allocate_attention(arena, merged, input_columns_);
  upload_attention(device(), merged, student);
  SequenceShape shape = batch_shape(merged.kv_heads);
  shape.sequences = std::min(shape.sequences, sequences() - first_sequence);
  AttentionPass pass(device(), profile(), shape, settings());
  const std::uint32_t tokens = shape.tokens();
  const Activations output{arena.buffer(std::uint64_t{4} * tokens * target_.stride, "output"), 0, target_.stride};
  const Buffer& errors = arena.buffer(std::uint64_t{8} * tokens, "errors");
  double difference[2] = {}, square[2] = {};  // fitted, held out
  CommandList list(device());
  for (std::uint32_t first = first_sequence; first < sequences(); first += shape.sequences) {
    const std::uint32_t count = std::min(shape.sequences, sequences() - first), row = first * length();
    pass.forward(list, student, rows_from(student_, row), output, count);
    record(list, profile(),
           RowError{.a = output,
                    .b = rows_from(target_, row),
                    .errors = errors,
                    .rows = count * length(),
                    .columns = source().hidden});
    list.run(cancel_);
    list.reset();
    const std::vector<float> of_rows = download_values<float>(device(), errors, std::size_t{2} * count * length());
    for (std::uint32_t t = 0; t < count * length(); ++t) {
      const bool judges = row + t >= fitted_sequences() * length();
      difference[judges] += of_rows[2 * t];
      square[judges] += of_rows[2 * t + 1];
    }
  }
  check_finite(std::isfinite(square[0]) && std::isfinite(square[1]), inputs_.layer);
  LayerError out{ratio(difference[0], square[0]), ratio(difference[1], square[1])};
  if (inputs_.held_out == 0) out.held_out = out.fitted;
  return out;
}

}  // namespace regroup
