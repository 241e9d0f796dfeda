#include "runtime/model/synthetic_model.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>

#include "runtime/core/error.h"
#include "runtime/gpu/command_list.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/architecture.h"

namespace regroup {
namespace {

constexpr std::string_view kPrefix = "synthetic:";

struct KnownShape {
  std::string_view name;
  std::uint32_t hidden, heads, kv, head_dim, feed_forward, layers, vocabulary;
};
constexpr KnownShape kKnown[] = {
    {"llama-2-7b", 4096, 32, 32, 128, 11008, 32, 32000},
    {"llama-2-70b", 8192, 64, 8, 128, 28672, 80, 32000},
    {"llama-3-8b", 4096, 32, 8, 128, 14336, 32, 128256},
    // The paper's model as far as a decoder-only one can have its shape: T5 1.1 XXL, 64 heads of 64.
    {"t5-xxl-decoder", 4096, 64, 64, 64, 10240, 24, 32128},
    {"smollm2-135m", 576, 9, 3, 64, 1536, 30, 49152},
};

// Rows of random weights in file blocks, the same few over and over.
class RandomRows : public RowSource {
 public:
  RandomRows(WeightFormat format, std::uint32_t columns, std::uint32_t count) : bytes_(row_bytes(format, columns)) {
    std::mt19937 random(columns);
    std::uniform_real_distribution<float> weight(-1.0f, 1.0f);
    const float spread = std::sqrt(3.0f / static_cast<float>(columns));  // of variance 1 / columns
    std::vector<float> values(columns);
    rows_.resize(count * bytes_);
    for (std::uint32_t r = 0; r < count; ++r) {
      for (float& value : values) value = weight(random) * spread;
      encode_row(format, values, std::span(rows_).subspan(r * bytes_, bytes_));
    }
    count_ = count;
  }
  std::span<const std::byte> row(std::uint32_t index) const override {
    return std::span(rows_).subspan(index % count_ * bytes_, bytes_);
  }

 private:
  std::size_t bytes_;
  std::uint32_t count_;
  std::vector<std::byte> rows_;
};

void set(SyntheticShape& shape, std::string_view key, std::string_view value, bool& kv_given, bool& head_dim_given) {
  if (key == "type") {
    const auto format = weight_format_from_name(value);
    if (!format || !has_encoder(*format)) {
      throw_error(ErrorCode::kUsage, "synthetic model: type '{}' cannot be written; try f32, f16, q8_0 or q4_0",
                  escaped(value));
    }
    shape.format = *format;
    return;
  }
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool whole = error == std::errc() && end == value.data() + value.size();
  const std::pair<std::string_view, std::uint32_t*> fields[] = {
      {"hidden", &shape.hidden},     {"heads", &shape.query_heads}, {"kv", &shape.kv_heads},
      {"ff", &shape.feed_forward},   {"layers", &shape.layers},     {"vocab", &shape.vocabulary},
      {"head_dim", &shape.head_dim}, {"context", &shape.context},
  };
  for (const auto& [name, field] : fields) {
    if (name != key) continue;
    if (!whole || number == 0) {
      throw_error(ErrorCode::kUsage, "synthetic model: {} is '{}', expected a positive number", name, escaped(value));
    }
    *field = number;
    kv_given = kv_given || key == "kv";
    head_dim_given = head_dim_given || key == "head_dim";
    return;
  }
  throw_error(ErrorCode::kUsage,
              "synthetic model: unknown '{}'; known are hidden, heads, kv, head_dim, ff, layers, vocab, context, type",
              escaped(key));
}

// What a model of this shape is made of, with a row each time.
template <typename Visit>
void for_each_matrix(const SyntheticShape& shape, const Visit& visit) {
  const std::uint32_t queries = shape.query_heads * shape.head_dim, keys = shape.kv_heads * shape.head_dim;
  visit("embedding", shape.vocabulary, shape.hidden);
  for (std::uint32_t l = 0; l < shape.layers; ++l) {
    visit("query, key, value", queries + 2 * keys, shape.hidden);
    visit("attention output", shape.hidden, queries);
    visit("gate, up", 2 * shape.feed_forward, shape.hidden);
    visit("down", shape.hidden, shape.feed_forward);
  }
}

}  // namespace

bool is_synthetic(std::string_view model) {
  return model.starts_with(kPrefix);
}

SyntheticShape parse_synthetic(std::string_view model) {
  REGROUP_CHECK(is_synthetic(model));
  SyntheticShape shape;
  shape.name = escaped(model);
  bool kv_given = false, head_dim_given = false;
  std::string_view rest = model.substr(kPrefix.size());
  for (bool first = true; first || !rest.empty(); first = false) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = item.find('=');
    if (equals != std::string_view::npos) {
      set(shape, item.substr(0, equals), item.substr(equals + 1), kv_given, head_dim_given);
      continue;
    }
    const auto* known = std::find_if(std::begin(kKnown), std::end(kKnown),
                                     [&](const KnownShape& candidate) { return candidate.name == item; });
    if (!first || known == std::end(kKnown)) {
      std::vector<std::string_view> names;
      for (const KnownShape& candidate : kKnown) names.push_back(candidate.name);
      throw_error(ErrorCode::kUsage, "synthetic model: unknown shape '{}'; known are {}, or hidden=512,heads=8,...",
                  escaped(item), fmt::join(names, ", "));
    }
    shape.hidden = known->hidden;
    shape.query_heads = known->heads;
    shape.kv_heads = known->kv;
    shape.head_dim = known->head_dim;
    shape.feed_forward = known->feed_forward;
    shape.layers = known->layers;
    shape.vocabulary = known->vocabulary;
    kv_given = head_dim_given = true;
  }
  if (!kv_given) shape.kv_heads = shape.query_heads;
  if (!head_dim_given) shape.head_dim = std::max(shape.hidden / shape.query_heads, 32u);
  synthetic_config(shape);
  return shape;
}

ModelConfig synthetic_config(const SyntheticShape& shape) {
  ModelConfig config;
  config.architecture = "llama";
  config.name = shape.name;
  config.hidden = shape.hidden;
  config.feed_forward = shape.feed_forward;
  config.vocabulary = shape.vocabulary;
  config.query_heads = shape.query_heads;
  config.head_dim = shape.head_dim;
  config.rotary_dims = shape.head_dim;
  config.context_length = shape.context;
  config.attention_scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  config.layers.assign(shape.layers, {.kv_heads = shape.kv_heads});
  try {
    check_config(config, shape.name);
    const std::uint32_t block = format_info(shape.format).block_elements;
    for (const std::uint32_t columns : {shape.hidden, shape.feed_forward, shape.query_heads * shape.head_dim}) {
      if (columns % block != 0) {
        throw_error(ErrorCode::kUsage, "{}: rows of {} are no whole blocks of {} in {}", shape.name, columns, block,
                    format_info(shape.format).name);
      }
    }
  } catch (const Error& error) {
    throw_error(ErrorCode::kUsage, "{}", error.what());
  }
  return config;
}

std::uint64_t synthetic_weight_bytes(const SyntheticShape& shape, const KernelProfile& profile) {
  std::uint64_t bytes = 0;
  for_each_matrix(shape, [&](std::string_view, std::uint32_t rows, std::uint32_t columns) {
    bytes += PanelLayout{shape.format, rows, columns, profile.panel_rows}.bytes();
  });
  return bytes;
}

std::unique_ptr<Model> make_synthetic_model(Device& device, const KernelProfile& profile, const SyntheticShape& shape) {
  std::unique_ptr<Model> model(new Model(device, profile));
  model->config_ = synthetic_config(shape);
  const auto& known = architectures();
  model->architecture_ = *std::find_if(known.begin(), known.end(),
                                       [](const Architecture* candidate) { return candidate->name == "llama"; });
  CommandList list(device);
  const auto matrix = [&](std::string_view name, std::uint32_t rows, std::uint32_t columns) {
    const PanelLayout layout{shape.format, rows, columns, profile.panel_rows};
    // Enough rows to make one panel, and more where panels are low.
    const std::uint32_t panels = std::min(layout.panels(), std::max(1u, 32 / profile.panel_rows));
    const RandomRows random(shape.format, columns, std::min(rows, panels * profile.panel_rows));
    std::vector<std::byte> packed(panels * layout.panel_bytes());
    pack_panels(layout, random, 0, panels, packed);
    WeightMatrix made = allocate_matrix(device, model->arena_, layout, name);
    for (const WeightSlice& slice : made.slices) {
      const Buffer& buffer = *slice.panels.buffer;
      const std::uint64_t size =
          std::uint64_t{(slice.rows + profile.panel_rows - 1) / profile.panel_rows} * layout.panel_bytes();
      std::uint64_t have = std::min<std::uint64_t>(packed.size(), size);
      upload(device, buffer, std::span(packed).first(have));
      while (have < size) {
        const std::uint64_t more = std::min(have, size - have);
        list.copy(BufferView(buffer, 0, more), BufferView(buffer, have, more));
        have += more;
      }
    }
    model->parameters_ += std::uint64_t{rows} * columns;
    return made;
  };
  const auto ones = [&](std::uint32_t count) {
    std::vector<float> values(count, 1.0f);
    values.resize((count + 31) / 32 * 32);
    const Buffer& buffer = model->arena_.buffer(values.size() * 4, "norm");
    upload_values<float>(device, buffer, values);
    return BufferView(buffer);
  };
  const std::uint32_t queries = shape.query_heads * shape.head_dim, keys = shape.kv_heads * shape.head_dim;
  model->embedding_ = model->output_ = matrix("embedding", shape.vocabulary, shape.hidden);
  model->final_norm_ = ones(shape.hidden);
  for (std::uint32_t l = 0; l < shape.layers; ++l) {
    LayerWeights& layer = model->layers_.emplace_back();
    layer.attention_norm = ones(shape.hidden);
    layer.feed_forward_norm = ones(shape.hidden);
    if (queries % profile.panel_rows == 0 && keys % profile.panel_rows == 0) {
      const WeightMatrix all = matrix("query, key, value", queries + 2 * keys, shape.hidden);
      layer.qkv = {{all, {}, 0}};
      layer.query.matrix = all.row_range(0, queries);
      layer.key = all.row_range(queries, keys);
      layer.value = all.row_range(queries + keys, keys);
    } else {
      layer.query.matrix = matrix("query", queries, shape.hidden);
      layer.key = matrix("key", keys, shape.hidden);
      layer.value = matrix("value", keys, shape.hidden);
      layer.qkv = {layer.query, {layer.key, {}, queries}, {layer.value, {}, queries + keys}};
    }
    layer.attention_output.matrix = matrix("attention output", shape.hidden, queries);
    layer.gate_up = Projection{matrix("gate, up", 2 * shape.feed_forward, shape.hidden)};
    layer.down.matrix = matrix("down", shape.hidden, shape.feed_forward);
  }
  if (!list.empty()) list.run();
  return model;
}

}  // namespace regroup
