#include "converter/attention_layer_io.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/model/row_sources.h"

namespace regroup {
namespace {

using Role = TensorRole;

// Row of a half-split file that holds row `row` of the interleaved order.
std::uint32_t half_split_row(const AttentionLayer& layer, std::uint32_t row) {
  const std::uint32_t head = row / layer.head_dim;
  return head * layer.head_dim + half_split_element(row % layer.head_dim, layer.rotary_dims);
}

bool has_rotary_rows(Role role) {
  return role == Role::kQuery || role == Role::kKey || role == Role::kQueryBias || role == Role::kKeyBias;
}

// Rows from the half-split order into the interleaved one.
template <typename Rows>
void interleave(const AttentionLayer& layer, Rows& rows) {
  if (rows.rows() == 0) return;
  const Rows from = rows;
  for (Eigen::Index r = 0; r < rows.rows(); ++r) {
    rows.row(r) = from.row(half_split_row(layer, static_cast<std::uint32_t>(r)));
  }
}

const WeightRows* matrix_of(const AttentionLayer& layer, Role role) {
  switch (role) {
    case Role::kQuery:
      return &layer.query;
    case Role::kKey:
      return &layer.key;
    case Role::kValue:
      return &layer.value;
    case Role::kAttentionOutput:
      return &layer.output;
    default:
      return nullptr;
  }
}

const Eigen::VectorXf* bias_of(const AttentionLayer& layer, Role role) {
  switch (role) {
    case Role::kQueryBias:
      return &layer.query_bias;
    case Role::kKeyBias:
      return &layer.key_bias;
    case Role::kValueBias:
      return &layer.value_bias;
    default:
      return nullptr;
  }
}

}  // namespace

WeightRows read_matrix(const FileTensor& tensor) {
  WeightRows rows(static_cast<Eigen::Index>(tensor.rows()), static_cast<Eigen::Index>(tensor.columns()));
  const std::size_t bytes = row_bytes(tensor.format, tensor.columns());
  for (std::uint64_t r = 0; r < tensor.rows(); ++r) {
    decode_row(tensor.format, tensor.bytes.subspan(r * bytes, bytes),
               {rows.row(static_cast<Eigen::Index>(r)).data(), tensor.columns()});
  }
  return rows;
}

Eigen::VectorXf read_vector(const FileTensor* tensor) {
  if (tensor == nullptr) return {};
  Eigen::VectorXf values(static_cast<Eigen::Index>(tensor->elements()));
  decode_row(tensor->format, tensor->bytes, {values.data(), tensor->elements()});
  return values;
}

AttentionLayer attention_shape(const TensorTable& table, const ModelConfig& config, std::uint32_t layer) {
  AttentionLayer out;
  out.hidden = config.hidden;
  out.query_heads = config.query_heads;
  out.kv_heads = config.layers[layer].kv_heads;
  out.head_dim = config.head_dim;
  out.rotary_dims = config.rotary_dims;
  out.scale = config.attention_scale;
  out.qk_norm = table.find(Role::kQueryNorm, layer) != nullptr || table.find(Role::kKeyNorm, layer) != nullptr;
  const bool biased = table.find(Role::kQueryBias, layer) != nullptr;
  for (const Role role : {Role::kKeyBias, Role::kValueBias}) {
    out.partly_biased = out.partly_biased || (table.find(role, layer) != nullptr) != biased;
  }
  return out;
}

AttentionLayer read_keys_and_values(const TensorTable& table, const ModelConfig& config, std::uint32_t layer) {
  AttentionLayer out = attention_shape(table, config, layer);
  out.key = read_matrix(table.get(Role::kKey, layer));
  out.value = read_matrix(table.get(Role::kValue, layer));
  out.key_bias = read_vector(table.find(Role::kKeyBias, layer));
  out.value_bias = read_vector(table.find(Role::kValueBias, layer));
  if (config.file_rope_layout == RopeLayout::kHalfSplit) {
    interleave(out, out.key);
    interleave(out, out.key_bias);
  }
  return out;
}

AttentionLayer read_attention_layer(const TensorTable& table, const ModelConfig& config, std::uint32_t layer) {
  AttentionLayer out = read_keys_and_values(table, config, layer);
  out.query = read_matrix(table.get(Role::kQuery, layer));
  out.output = read_matrix(table.get(Role::kAttentionOutput, layer));
  out.query_bias = read_vector(table.find(Role::kQueryBias, layer));
  if (config.file_rope_layout == RopeLayout::kHalfSplit) {
    interleave(out, out.query);
    interleave(out, out.query_bias);
  }
  return out;
}

bool is_attention_tensor(Role role) {
  static const AttentionLayer none;
  return matrix_of(none, role) != nullptr || bias_of(none, role) != nullptr;
}

TensorValues tensor_values(const AttentionLayer& layer, Role role, RopeLayout order) {
  TensorValues out;
  const float* from = nullptr;
  std::uint64_t rows_in_order = 0, columns = 0;  // rows whose order matters
  if (const WeightRows* matrix = matrix_of(layer, role)) {
    out.rows = rows_in_order = static_cast<std::uint64_t>(matrix->rows());
    out.columns = columns = static_cast<std::uint64_t>(matrix->cols());
    from = matrix->data();
  } else {
    const Eigen::VectorXf* bias = bias_of(layer, role);
    REGROUP_CHECK(bias != nullptr);
    if (bias->size() == 0) return out;
    out.rows = 1;
    out.columns = rows_in_order = static_cast<std::uint64_t>(bias->size());
    columns = 1;
    from = bias->data();
  }
  out.values.resize(out.rows * out.columns);
  const bool split = order == RopeLayout::kHalfSplit && has_rotary_rows(role);
  for (std::uint64_t r = 0; r < rows_in_order; ++r) {
    const std::uint64_t to = split ? half_split_row(layer, static_cast<std::uint32_t>(r)) : r;
    std::copy_n(from + r * columns, columns, out.values.data() + to * columns);
  }
  return out;
}

}  // namespace regroup
