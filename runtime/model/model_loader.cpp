#include "runtime/model/model_loader.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/file/bad_file.h"
#include "runtime/gpu/transfer.h"

namespace regroup {
namespace {

using Role = TensorRole;

std::vector<float> values_of(const FileTensor& tensor) {
  std::vector<float> values(tensor.elements());
  decode_row(tensor.format, tensor.bytes, values);
  return values;
}

std::vector<std::uint64_t> without_outer_ones(std::vector<std::uint64_t> shape) {
  while (shape.size() > 1 && shape.front() == 1) shape.erase(shape.begin());
  return shape;
}

// `shape`: [count] or [rows, columns].
void expect_shape(const TensorTable& table, const FileTensor* tensor, const std::vector<std::uint64_t>& shape) {
  if (tensor == nullptr) return;
  // GGUF knows no difference between [n] and [1, n].
  const bool gguf = table.file().kind() == ModelFileKind::kGguf;
  if (gguf ? without_outer_ones(tensor->shape) == without_outer_ones(shape) : tensor->shape == shape) return;
  bad_file(table.file().path().string(), "tensor '{}' has shape [{}], expected [{}]", escaped(tensor->name),
           fmt::join(tensor->shape, ", "), fmt::join(shape, ", "));
}

}  // namespace

void check_shapes(const TensorTable& table, const ModelConfig& config) {
  const std::uint32_t hidden = config.hidden, queries = config.query_columns(), ffn = config.feed_forward;
  const auto matrix = [&](Role role, std::uint32_t l, std::uint64_t rows, std::uint64_t columns) {
    expect_shape(table, table.find(role, l), {rows, columns});
  };
  const auto vector = [&](Role role, std::uint32_t l, std::uint64_t count) {
    expect_shape(table, table.find(role, l), {count});
  };
  matrix(Role::kEmbedding, 0, config.vocabulary, hidden);
  matrix(Role::kOutput, 0, config.vocabulary, hidden);
  vector(Role::kFinalNorm, 0, hidden);
  vector(Role::kRopeDivisors, 0, config.rotary_dims / 2);
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    const std::uint64_t keys = std::uint64_t{config.layers[l].kv_heads} * config.head_dim;
    for (const Role role : {Role::kAttentionNorm, Role::kPostAttentionNorm, Role::kFeedForwardNorm,
                            Role::kPostFeedForwardNorm, Role::kAttentionOutputBias, Role::kDownBias}) {
      vector(role, l, hidden);
    }
    matrix(Role::kQuery, l, queries, hidden);
    matrix(Role::kKey, l, keys, hidden);
    matrix(Role::kValue, l, keys, hidden);
    vector(Role::kQueryBias, l, queries);
    vector(Role::kKeyBias, l, keys);
    vector(Role::kValueBias, l, keys);
    vector(Role::kQueryNorm, l, config.head_dim);
    vector(Role::kKeyNorm, l, config.head_dim);
    matrix(Role::kAttentionOutput, l, hidden, queries);
    matrix(Role::kGate, l, ffn, hidden);
    matrix(Role::kUp, l, ffn, hidden);
    matrix(Role::kDown, l, hidden, ffn);
    vector(Role::kGateBias, l, ffn);
    vector(Role::kUpBias, l, ffn);
  }
}

ModelLoader::ModelLoader(Model& model, const TensorTable& table, const ModelPart& part, const Progress& progress,
                         const CancelFlag* cancel)
    : model_(model), table_(table), config_(model.config_), part_(part), progress_(progress), cancel_(cancel) {
  for (const FileTensor& tensor : table.file().tensors()) {
    if (!table.unused().contains(tensor.name)) bytes_total_ += tensor.bytes.size();
  }
}

void ModelLoader::load() {
  const FileTensor& embedding = table_.get(Role::kEmbedding);
  const FileTensor* output = table_.find(Role::kOutput);
  if (part_.embedding || (part_.output && output == nullptr)) {
    model_.embedding_ = upload_tensor(embedding);
    done_with({&embedding});
  }
  if (part_.output) {
    model_.output_ = output == nullptr ? model_.embedding_ : upload_tensor(*output);
    done_with({output});
    model_.final_norm_ = upload_norm(table_.find(Role::kFinalNorm));
  }
  for (std::uint32_t l = 0; l < config_.layer_count(); ++l) model_.layers_.push_back(load_layer(part_.first_layer + l));
  for (const FileTensor& tensor : table_.file().tensors()) {
    if (!table_.unused().contains(tensor.name)) model_.parameters_ += tensor.elements();
  }
  if (progress_) progress_("loading", 1.0);  // norms and biases are not counted one by one
}

LayerWeights ModelLoader::load_layer(std::uint32_t l) {
  LayerWeights weights;
  load_attention_input(l, weights);
  weights.post_attention_norm = upload_norm(table_.find(Role::kPostAttentionNorm, l));
  const FileTensor& output = table_.get(Role::kAttentionOutput, l);
  weights.attention_output.matrix = upload_tensor(output);
  if (const FileTensor* bias = table_.find(Role::kAttentionOutputBias, l)) {
    weights.attention_output.bias = upload_vector(values_of(*bias), bias->name);
  }
  done_with({&output});
  load_feed_forward(l, weights);
  return weights;
}

void ModelLoader::load_attention_input(std::uint32_t l, LayerWeights& weights) {
  const FileTensor& query = table_.get(Role::kQuery, l);
  const FileTensor& key = table_.get(Role::kKey, l);
  const FileTensor& value = table_.get(Role::kValue, l);
  const std::uint32_t head_dim = config_.head_dim;
  const std::uint32_t groups = config_.layers[l - part_.first_layer].kv_heads;
  const std::uint32_t query_rows = config_.query_columns();
  const std::uint32_t key_rows = groups * head_dim;

  weights.attention_norm = upload_norm(table_.find(Role::kAttentionNorm, l));

  // On the device rotary planes are always neighbours; scores do not change when Q and K are permuted alike.
  const TensorRows query_file(query), key_file(key), value_source(value);
  const InterleavedHeads query_turned(query_file, head_dim, config_.rotary_dims);
  const InterleavedHeads key_turned(key_file, head_dim, config_.rotary_dims);
  const bool turn = config_.file_rope_layout == RopeLayout::kHalfSplit;
  const RowSource& query_source = turn ? static_cast<const RowSource&>(query_turned) : query_file;
  const RowSource& key_source = turn ? static_cast<const RowSource&>(key_turned) : key_file;

  std::vector<float> query_bias = rotated(table_.find(Role::kQueryBias, l), config_.query_heads);
  weights.key_bias = rotated(table_.find(Role::kKeyBias, l), groups);
  if (const FileTensor* bias = table_.find(Role::kValueBias, l)) weights.value_bias = values_of(*bias);
  const bool any_bias = !query_bias.empty() || !weights.key_bias.empty() || !weights.value_bias.empty();
  if (any_bias) {
    // A projection without a bias beside biased ones adds zero.
    query_bias.resize(query_rows);
    weights.key_bias.resize(key_rows);
    weights.value_bias.resize(key_rows);
  }

  const std::uint32_t panel_rows = model_.profile_.panel_rows;
  const bool one_format = query.format == key.format && key.format == value.format;
  const std::string name = fmt::format("layer {} query, key, value", l);
  if (one_format && query_rows % panel_rows == 0 && key_rows % panel_rows == 0) {
    const StackedRows stack({{&query_source, query_rows}, {&key_source, key_rows}, {&value_source, key_rows}});
    const WeightMatrix all = upload_rows(stack, query.format, query_rows + 2ull * key_rows, config_.hidden, name);
    weights.query.matrix = all.row_range(0, query_rows);
    weights.key = all.row_range(query_rows, key_rows);
    weights.value = all.row_range(query_rows + key_rows, key_rows);
    weights.qkv = {{all, {}, 0}};
    if (any_bias) {
      std::vector<float> bias = query_bias;
      bias.insert(bias.end(), weights.key_bias.begin(), weights.key_bias.end());
      bias.insert(bias.end(), weights.value_bias.begin(), weights.value_bias.end());
      weights.qkv[0].bias = upload_vector(bias, name);
      weights.query.bias = upload_vector(query_bias, name);
    }
  } else {
    weights.query.matrix = upload_rows(query_source, query.format, query_rows, config_.hidden, query.name);
    weights.key = upload_rows(key_source, key.format, key_rows, config_.hidden, key.name);
    weights.value = upload_rows(value_source, value.format, key_rows, config_.hidden, value.name);
    if (any_bias) weights.query.bias = upload_vector(query_bias, query.name);
    weights.qkv = {weights.query, {weights.key, {}, query_rows}, {weights.value, {}, query_rows + key_rows}};
    if (any_bias) {
      weights.qkv[1].bias = upload_vector(weights.key_bias, key.name);
      weights.qkv[2].bias = upload_vector(weights.value_bias, value.name);
    }
  }
  const std::vector<float> query_norm = rotated(table_.find(Role::kQueryNorm, l), 1);
  const std::vector<float> key_norm = rotated(table_.find(Role::kKeyNorm, l), 1);
  const auto with_one = [&](std::vector<float> values) {
    if (config_.norms_lack_one) {
      for (float& value_of_norm : values) value_of_norm += 1.0f;
    }
    return values;
  };
  if (!query_norm.empty()) weights.query_norm = upload_vector(with_one(query_norm), name);
  if (!key_norm.empty()) weights.key_norm = upload_vector(with_one(key_norm), name);
  done_with({&query, &key, &value});
}

void ModelLoader::load_feed_forward(std::uint32_t l, LayerWeights& weights) {
  const FileTensor& gate = table_.get(Role::kGate, l);
  const FileTensor& up = table_.get(Role::kUp, l);
  const FileTensor& down = table_.get(Role::kDown, l);
  weights.feed_forward_norm = upload_norm(table_.find(Role::kFeedForwardNorm, l));
  weights.post_feed_forward_norm = upload_norm(table_.find(Role::kPostFeedForwardNorm, l));
  const FileTensor* gate_bias_tensor = table_.find(Role::kGateBias, l);
  const FileTensor* up_bias_tensor = table_.find(Role::kUpBias, l);
  std::vector<float> gate_bias, up_bias;
  if (gate_bias_tensor != nullptr) gate_bias = values_of(*gate_bias_tensor);
  if (up_bias_tensor != nullptr) up_bias = values_of(*up_bias_tensor);
  const bool any_bias = !gate_bias.empty() || !up_bias.empty();
  if (any_bias) {
    gate_bias.resize(config_.feed_forward);
    up_bias.resize(config_.feed_forward);
  }
  if (gate.format == up.format) {
    const TensorRows gate_rows(gate), up_rows(up);
    Projection both{upload_rows(AlternatingRows(gate_rows, up_rows), gate.format, 2ull * config_.feed_forward,
                                config_.hidden, fmt::format("layer {} gate, up", l))};
    if (any_bias) {
      std::vector<float> bias;
      for (std::uint32_t i = 0; i < config_.feed_forward; ++i) {
        bias.push_back(gate_bias[i]);
        bias.push_back(up_bias[i]);
      }
      both.bias = upload_vector(bias, gate.name);
    }
    weights.gate_up = std::move(both);
  } else {
    weights.gate.matrix = upload_tensor(gate);
    weights.up.matrix = upload_tensor(up);
    if (any_bias) {
      weights.gate.bias = upload_vector(gate_bias, gate.name);
      weights.up.bias = upload_vector(up_bias, up.name);
    }
  }
  done_with({&gate, &up});
  weights.down.matrix = upload_tensor(down);
  if (const FileTensor* bias = table_.find(Role::kDownBias, l)) {
    weights.down.bias = upload_vector(values_of(*bias), bias->name);
  }
  done_with({&down});
}

WeightMatrix ModelLoader::upload_tensor(const FileTensor& tensor) {
  return upload_rows(TensorRows(tensor), tensor.format, tensor.rows(), tensor.columns(), tensor.name);
}

WeightMatrix ModelLoader::upload_rows(const RowSource& rows, WeightFormat format, std::uint64_t row_count,
                                      std::uint64_t columns, const std::string& name) {
  if (cancelled(cancel_)) throw_error(ErrorCode::kInterrupted, "stopped while loading the model");
  const PanelLayout layout{format, static_cast<std::uint32_t>(row_count), static_cast<std::uint32_t>(columns),
                           model_.profile_.panel_rows};
  return upload_matrix(model_.device_, model_.arena_, layout, rows, name);
}

BufferView ModelLoader::upload_vector(const std::vector<float>& values, const std::string& name) {
  std::vector<float> padded = values;
  padded.resize((values.size() + 31) / 32 * 32);
  const Buffer& buffer = model_.arena_.buffer(padded.size() * 4, name);
  upload_values<float>(model_.device_, buffer, padded);
  return buffer;
}

BufferView ModelLoader::upload_norm(const FileTensor* tensor) {
  if (tensor == nullptr) return {};
  std::vector<float> values = values_of(*tensor);
  if (config_.norms_lack_one) {
    for (float& value : values) value += 1.0f;
  }
  return upload_vector(values, tensor->name);
}

std::vector<float> ModelLoader::rotated(const FileTensor* tensor, std::uint32_t heads) const {
  if (tensor == nullptr) return {};
  const std::vector<float> values = values_of(*tensor);
  if (config_.file_rope_layout == RopeLayout::kInterleaved) return values;
  std::vector<float> out(values.size());
  for (std::uint32_t h = 0; h < heads; ++h) {
    for (std::uint32_t i = 0; i < config_.head_dim; ++i) {
      out[h * config_.head_dim + i] = values[h * config_.head_dim + half_split_element(i, config_.rotary_dims)];
    }
  }
  return out;
}

void ModelLoader::done_with(std::initializer_list<const FileTensor*> tensors) {
  for (const FileTensor* tensor : tensors) {
    if (tensor == nullptr) continue;
    table_.file().release_pages(tensor->bytes);
    bytes_done_ += tensor->bytes.size();
  }
  if (progress_ && bytes_total_ > 0) {
    progress_("loading", static_cast<double>(bytes_done_) / static_cast<double>(bytes_total_));
  }
}

}  // namespace regroup
