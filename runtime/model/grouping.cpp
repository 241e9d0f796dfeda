#include "runtime/model/grouping.h"

#include "runtime/core/error.h"
#include "runtime/gpu/command_list.h"
#include "runtime/gpu/transfer.h"
#include "runtime/ops/pooling.h"

namespace regroup {
namespace {

std::vector<float> pooled_bias(const LayerPlan& plan, std::uint32_t head_dim, const std::vector<float>& source) {
  std::vector<float> out(std::size_t{plan.groups} * head_dim);
  pool_rows_on_host(plan.terms, plan.groups, head_dim, 1, source, out);
  return out;
}

// Rows of one matrix after those of another, all of one format.
class MergedRows : public RowSource {
 public:
  MergedRows(std::vector<std::span<const std::byte>> parts, std::size_t row_bytes)
      : parts_(std::move(parts)), row_bytes_(row_bytes) {}
  std::span<const std::byte> row(std::uint32_t index) const override {
    std::size_t at = index * row_bytes_;
    for (const auto& part : parts_) {
      if (at < part.size()) return part.subspan(at, row_bytes_);
      at -= part.size();
    }
    REGROUP_CHECK(false);
  }

 private:
  std::vector<std::span<const std::byte>> parts_;
  std::size_t row_bytes_;
};

BufferView upload_bias(Device& device, Arena& arena, std::vector<float> values) {
  values.resize((values.size() + 31) / 32 * 32);
  const Buffer& buffer = arena.buffer(values.size() * 4, "merged bias");
  upload_values<float>(device, buffer, values);
  return buffer;
}

}  // namespace

Grouping::Grouping(const Model& model, GroupPlan plan)
    : model_(model), plan_(std::move(plan)), arena_(model.device(), MemoryUse::kDevice, "pooled projections") {
  Device& device = model.device();
  const ModelConfig& config = model.config();
  REGROUP_CHECK(plan_.layers.size() == config.layers.size());
  Arena terms_arena(device, MemoryUse::kDevice, "pooling terms");
  CommandList list(device);
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    const LayerPlan& layer_plan = plan_.layers[l];
    const LayerWeights& weights = model.layer(l);
    if (layer_plan.is_identity()) {
      layers_.push_back(weights.qkv);
      continue;
    }
    const auto encoded = encode_pool_terms(layer_plan.terms, layer_plan.groups);
    const Buffer& terms = terms_arena.buffer(encoded.size() * 4, "pooling terms");
    upload_values<std::uint32_t>(device, terms, encoded);

    const std::uint32_t rows = layer_plan.groups * config.head_dim;
    const std::uint32_t panel_rows = model.profile().panel_rows;
    std::vector<Projection> parts = {weights.query};
    // One matrix for both, where a view may start at V's first row: one product instead of two.
    const bool stacked = rows % panel_rows == 0;
    std::vector<WeightMatrix> targets;
    if (stacked) {
      const WeightMatrix both = allocate_matrix(
          device, arena_, {WeightFormat::kF32, 2 * rows, config.hidden, panel_rows}, "pooled keys and values");
      targets = {both.row_range(0, rows), both.row_range(rows, rows)};
      parts.push_back({both, {}, config.query_columns()});
    } else {
      for (const char* name : {"pooled keys", "pooled values"}) {
        targets.push_back(allocate_matrix(device, arena_, {WeightFormat::kF32, rows, config.hidden, panel_rows}, name));
      }
      parts.push_back({targets[0], {}, config.query_columns()});
      parts.push_back({targets[1], {}, config.query_columns() + rows});
    }
    record(list, model.profile(), PoolWeights{weights.key, targets[0], config.head_dim, layer_plan.terms, terms});
    record(list, model.profile(), PoolWeights{weights.value, targets[1], config.head_dim, layer_plan.terms, terms});

    if (!weights.key_bias.empty()) {
      const auto key_bias = pooled_bias(layer_plan, config.head_dim, weights.key_bias);
      const auto value_bias = pooled_bias(layer_plan, config.head_dim, weights.value_bias);
      const auto to_device = [&](std::vector<float> values) {
        const Buffer& buffer = arena_.buffer(values.size() * 4, "pooled bias");
        upload_values<float>(device, buffer, values);
        return BufferView(buffer);
      };
      if (stacked) {
        std::vector<float> both = key_bias;
        both.insert(both.end(), value_bias.begin(), value_bias.end());
        parts[1].bias = to_device(std::move(both));
      } else {
        parts[1].bias = to_device(key_bias);
        parts[2].bias = to_device(value_bias);
      }
    }
    layers_.push_back(std::move(parts));
  }
  if (!list.empty()) list.run();
}

void Grouping::replace(std::uint32_t l, const MergedProjections& merged) {
  const ModelConfig& config = model_.config();
  const std::uint32_t queries = config.query_columns(), keys = merged.groups * config.head_dim;
  const std::size_t row = row_bytes(merged.format, config.hidden), output_row = row_bytes(merged.format, queries);
  REGROUP_CHECK(merged.groups > 0 && config.layers[l].kv_heads % merged.groups == 0);
  REGROUP_CHECK(merged.query.size() == queries * row && merged.key.size() == keys * row);
  REGROUP_CHECK(merged.value.size() == keys * row && merged.output.size() == config.hidden * output_row);
  const bool biased = !merged.query_bias.empty();
  REGROUP_CHECK(merged.query_bias.size() == (biased ? queries : 0) && merged.key_bias.size() == (biased ? keys : 0) &&
                merged.value_bias.size() == merged.key_bias.size());

  Device& device = model_.device();
  const std::uint32_t panel_rows = model_.profile().panel_rows;
  std::vector<Projection> parts;
  const auto add = [&](std::initializer_list<std::span<const std::byte>> matrices,
                       std::initializer_list<std::span<const float>> biases, std::uint32_t y_offset) {
    std::uint64_t bytes = 0;
    for (const auto& matrix : matrices) bytes += matrix.size();
    const PanelLayout layout{merged.format, static_cast<std::uint32_t>(bytes / row), config.hidden, panel_rows};
    Projection& part = parts.emplace_back();
    part.matrix = upload_matrix(device, arena_, layout, MergedRows(matrices, row), "merged projections");
    part.y_offset = y_offset;
    std::vector<float> bias;
    for (const auto& values : biases) bias.insert(bias.end(), values.begin(), values.end());
    if (biased) part.bias = upload_bias(device, arena_, std::move(bias));
  };
  if (queries % panel_rows == 0 && keys % panel_rows == 0) {
    add({merged.query, merged.key, merged.value}, {merged.query_bias, merged.key_bias, merged.value_bias}, 0);
  } else {
    add({merged.query}, {merged.query_bias}, 0);
    add({merged.key}, {merged.key_bias}, queries);
    add({merged.value}, {merged.value_bias}, queries + keys);
  }
  layers_[l] = std::move(parts);
  Projection output = model_.layer(l).attention_output;
  output.matrix = upload_matrix(device, arena_, {merged.format, config.hidden, queries, panel_rows},
                                MergedRows({merged.output}, output_row), "merged output projection");
  outputs_[l] = std::move(output);
  plan_.layers[l] = {merged.groups, {}};
}

}  // namespace regroup
