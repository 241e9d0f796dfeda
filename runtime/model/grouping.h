// The projections that a GroupPlan yields from a Model: pooled K and V weights, made on the device in milliseconds. The
// identity plan yields the model's own.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/model/group_plan.h"
#include "runtime/model/model.h"

namespace regroup {

class Grouping {
 public:
  // `model` must outlive this. Throws kOutOfMemory.
  Grouping(const Model& model, GroupPlan plan);

  Device& device() const { return model_.device(); }
  const KernelProfile& profile() const { return model_.profile(); }
  const GroupPlan& plan() const { return plan_; }
  std::uint32_t groups(std::uint32_t layer) const { return plan_.layers[layer].groups; }
  // Q, K, V products of a layer: outputs [H * head_dim | G * head_dim | G * head_dim].
  const std::vector<Projection>& qkv(std::uint32_t layer) const { return layers_[layer]; }
  // The output projection of a layer: [hidden, H * head_dim].
  const Projection& attention_output(std::uint32_t layer) const { return model_.layer(layer).attention_output; }
  // Device bytes beyond the model's own.
  std::uint64_t bytes() const { return arena_.requested_bytes(); }

 private:
  const Model& model_;
  GroupPlan plan_;
  Arena arena_;
  std::vector<std::vector<Projection>> layers_;
};

}  // namespace regroup
