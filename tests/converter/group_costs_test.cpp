// Costs of groups, against layers in which only that group is merged.
#include "converter/group_costs.h"

#include <gtest/gtest.h>

#include "converter/shared_head.h"
#include "tests/converter/layer_samples.h"

namespace regroup::test {
namespace {

// The mean squared change per token of the layer's output when `groups` are merged, from whole layers.
double change_of_output(const LayerSample& sample, const HeadGroups& groups, const LayerStatistics& statistics) {
  std::vector<GroupMaps> maps;
  for (const auto& group : groups.groups) maps.push_back(shared_head_maps(sample.layer, statistics, group));
  const AttentionLayer merged = apply_maps(sample.layer, groups, maps);
  double error = 0, tokens = 0;
  for (const Eigen::MatrixXd& x : sample.inputs) {
    const Eigen::MatrixXd before = attend_on_host(sample.layer, x, sample.rope_table).output;
    error += (attend_on_host(merged, x, sample.rope_table).output - before).squaredNorm();
    tokens += static_cast<double>(x.rows());
  }
  return error / tokens;
}

TEST(GroupCostsTest, MeasuredErrorIsThatOfTheMergedLayer) {
  for (const LayerShape& shape : layer_shapes()) {
    const LayerSample sample(shape);
    const std::vector<HostAttention> sequences = sample.attend(sample.layer);
    const LayerStatistics statistics = statistics_on_host(sample.layer, sequences);
    const GroupCost cost = measured_cost(sample.layer, statistics, sequences);
    std::vector<std::uint32_t> all(shape.kv_heads);
    std::iota(all.begin(), all.end(), 0u);
    const double wanted = change_of_output(sample, {{all}}, statistics);
    EXPECT_NEAR(cost(all), wanted, 1e-4 * wanted) << to_string(shape);  // weights are rounded to float
    EXPECT_LT(cost(std::vector<std::uint32_t>{1}), 1e-20);
  }
}

TEST(GroupCostsTest, WindowLimitsWhatIsCompared) {
  const LayerSample sample({4, 4, 8, 8, 24, false});
  std::vector<HostAttention> sequences;
  for (const Eigen::MatrixXd& x : sample.inputs) {
    sequences.push_back(attend_on_host(sample.layer, x, sample.rope_table, 5));
  }
  const LayerStatistics statistics = statistics_on_host(sample.layer, sequences);
  EXPECT_LT(measured_cost(sample.layer, statistics, sequences, 5)(std::vector<std::uint32_t>{2}), 1e-20);
  EXPECT_GT(measured_cost(sample.layer, statistics, sequences, 0)(std::vector<std::uint32_t>{2}), 1e-6);
}

TEST(GroupCostsTest, ClosedFormPredictsSmallErrorsAndIgnoresCoordinates) {
  for (const LayerShape& shape : layer_shapes()) {
    LayerSample sample(shape);
    const Eigen::Index dim = shape.head_dim;
    // Heads that nearly coincide: errors are small, so the linearisation holds.
    for (std::uint32_t j = 1; j < shape.kv_heads; ++j) {
      sample.layer.key.middleRows(j * dim, dim) =
          sample.layer.key.topRows(dim) + 0.02f * sample.layer.key.middleRows(j * dim, dim);
      sample.layer.value.middleRows(j * dim, dim) =
          sample.layer.value.topRows(dim) + 0.02f * sample.layer.value.middleRows(j * dim, dim);
    }
    const std::vector<HostAttention> sequences = sample.attend(sample.layer);
    const LayerStatistics statistics = statistics_on_host(sample.layer, sequences);
    const std::vector<std::uint32_t> pair = {0, 1};
    const double predicted = closed_form_cost(sample.layer, statistics)(pair);
    const double measured = measured_cost(sample.layer, statistics, sequences)(pair);
    EXPECT_GT(predicted, measured / 6) << to_string(shape);
    EXPECT_LT(predicted, measured * 6) << to_string(shape);

    const AttentionLayer other = in_other_coordinates(sample.layer, Gauge::kFree, sample);
    const LayerStatistics other_statistics = sample.statistics(other);
    EXPECT_NEAR(closed_form_cost(other, other_statistics)(pair), predicted, 2e-2 * predicted) << to_string(shape);
  }
}

TEST(GroupCostsTest, MeasuredGroupsPutLikeHeadsTogether) {
  LayerSample sample({8, 8, 8, 8, 40, false});
  const Eigen::Index dim = 8;
  // Head j is head j - 4 in other coordinates: {0, 4}, {1, 5}, .. merge without loss.
  AttentionLayer& layer = sample.layer;
  layer.key.bottomRows(4 * dim) = layer.key.topRows(4 * dim).eval();
  layer.value.bottomRows(4 * dim) = layer.value.topRows(4 * dim).eval();
  layer = in_other_coordinates(layer, Gauge::kFree, sample);
  const std::vector<HostAttention> sequences = sample.attend(layer);
  const LayerStatistics statistics = statistics_on_host(layer, sequences);
  const std::vector<std::vector<std::uint32_t>> wanted = {{0, 4}, {1, 5}, {2, 6}, {3, 7}};
  EXPECT_EQ(best_grouping(8, 4, measured_cost(layer, statistics, sequences)).groups, wanted);
  EXPECT_EQ(best_grouping(8, 4, closed_form_cost(layer, statistics)).groups, wanted);
}

}  // namespace
}  // namespace regroup::test
