// The attention projections under which a Model decodes: its own, K and V pooled by a GroupPlan on the device in
// milliseconds, or all four replaced by merged ones.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "runtime/model/group_plan.h"
#include "runtime/model/model.h"

namespace regroup {

// The projections of a merged layer. Rows of Q and K (and their biases) are in interleaved order: plane p of a head is
// its rows 2p and 2p + 1. Matrices are rows of `format`.
struct MergedProjections {
  std::uint32_t groups = 0;
  WeightFormat format = WeightFormat::kF32;
  std::span<const std::byte> query;                         // [H * head_dim, hidden]
  std::span<const std::byte> key, value;                    // [groups * head_dim, hidden]
  std::span<const std::byte> output;                        // [hidden, H * head_dim]
  std::span<const float> query_bias, key_bias, value_bias;  // all or none; the output's stays the model's
};

class Grouping {
 public:
  // `model` must outlive this. Throws kOutOfMemory.
  Grouping(const Model& model, GroupPlan plan);

  // Gives one layer other projections; before the first session uses this. Throws kOutOfMemory.
  void replace(std::uint32_t layer, const MergedProjections& merged);
  // Whether replace() was called: keys are then in a basis of their own, so that no cache can be pooled into or out of
  // this grouping.
  bool has_merged_layers() const { return !outputs_.empty(); }
  // Whether every layer is as the checkpoint has it.
  bool is_identity() const { return plan_.is_identity() && !has_merged_layers(); }

  Device& device() const { return model_.device(); }
  const KernelProfile& profile() const { return model_.profile(); }
  const GroupPlan& plan() const { return plan_; }
  std::uint32_t groups(std::uint32_t layer) const { return plan_.layers[layer].groups; }
  // Q, K, V products of a layer: outputs [H * head_dim | G * head_dim | G * head_dim].
  const std::vector<Projection>& qkv(std::uint32_t layer) const { return layers_[layer]; }
  // The output projection of a layer: [hidden, H * head_dim].
  const Projection& attention_output(std::uint32_t layer) const {
    const auto merged = outputs_.find(layer);
    return merged != outputs_.end() ? merged->second : model_.layer(layer).attention_output;
  }
  // Device bytes beyond the model's own.
  std::uint64_t bytes() const { return arena_.requested_bytes(); }

 private:
  const Model& model_;
  GroupPlan plan_;
  Arena arena_;
  std::vector<std::vector<Projection>> layers_;
  std::map<std::uint32_t, Projection> outputs_;  // of merged layers
};

}  // namespace regroup
