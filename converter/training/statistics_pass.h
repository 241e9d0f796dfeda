// Second moments of a layer's keys, queries and values, gathered batch by batch from what a forward pass left on the
// device.
#pragma once

#include "converter/layer_statistics.h"
#include "converter/training/attention_pass.h"

namespace regroup {

class StatisticsPass {
 public:
  // sequences, length: all that will be added.
  StatisticsPass(Device& device, const KernelProfile& profile, const AttentionLayer& layer, std::uint32_t sequences,
                 std::uint32_t length);
  // The first `sequences` of a pass that has just run forward.
  void add(const AttentionPass& pass, std::uint32_t sequences, const CancelFlag* cancel);
  // The means.
  LayerStatistics finish();

 private:
  void add_keys_and_queries(const AttentionPass& pass, std::uint32_t sequences);
  void add_values(const AttentionPass& pass, std::uint32_t sequences, const CancelFlag* cancel);

  Device& device_;
  const KernelProfile& profile_;
  const AttentionLayer& layer_;
  std::uint32_t spacing_;  // every so manieth sequence tells about values
  LayerStatistics sums_;
  std::uint64_t value_tokens_ = 0;
  // Per query head: sum over s and t of a_st v_t v_t^T, and sum over s of out_s out_s^T. [D, D]
  std::vector<Eigen::MatrixXd> spread_, mean_;
};

}  // namespace regroup
