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

}  // namespace regroup
