// Attention, statistics, costs and merges against what tests/tools/make_conversion_fixtures.py computed with numpy,
// from formulas written on the layer's inputs instead of its heads.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "converter/group_costs.h"
#include "converter/host_attention.h"
#include "converter/merge.h"
#include "runtime/core/json.h"
#include "runtime/model/rope_table.h"

namespace regroup::test {
namespace {

using Json = nlohmann::json;
using Eigen::Index;
using Eigen::MatrixXd;

template <typename Matrix>
Matrix matrix(const Json& numbers, Index rows, Index columns) {
  const auto values = numbers.get<std::vector<double>>();
  if (static_cast<Index>(values.size()) != rows * columns) throw std::runtime_error("numbers of another shape");
  Matrix out(rows, columns);
  for (Index i = 0; i < rows; ++i) {
    for (Index k = 0; k < columns; ++k) {
      out(i, k) = static_cast<typename Matrix::Scalar>(values[static_cast<std::size_t>(i * columns + k)]);
    }
  }
  return out;
}

// |a - b| against the largest of b.
double difference(const MatrixXd& a, const MatrixXd& b) {
  if (b.size() == 0) return a.size() == 0 ? 0 : 1;
  return (a - b).cwiseAbs().maxCoeff() / b.cwiseAbs().maxCoeff();
}

class RecordedMergesTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::ifstream in(std::string(REGROUP_SOURCE_DIR "/tests/data/conversion/") + GetParam() + ".json");
    record_ = Json::parse(in);
    layer_.hidden = record_["hidden"];
    layer_.query_heads = record_["query_heads"];
    layer_.kv_heads = record_["kv_heads"];
    layer_.head_dim = record_["head_dim"];
    layer_.rotary_dims = record_["rotary_dims"];
    layer_.scale = 1.0f / std::sqrt(static_cast<float>(layer_.head_dim));
    const Index d = layer_.hidden, queries = layer_.query_heads * layer_.head_dim;
    const Index keys = layer_.kv_heads * layer_.head_dim;
    layer_.query = matrix<WeightRows>(record_["query"], queries, d);
    layer_.key = matrix<WeightRows>(record_["key"], keys, d);
    layer_.value = matrix<WeightRows>(record_["value"], keys, d);
    layer_.output = matrix<WeightRows>(record_["output"], d, queries);
    if (record_.contains("query_bias")) {
      layer_.query_bias = matrix<WeightRows>(record_["query_bias"], queries, 1);
      layer_.key_bias = matrix<WeightRows>(record_["key_bias"], keys, 1);
      layer_.value_bias = matrix<WeightRows>(record_["value_bias"], keys, 1);
    }
    tokens_ = record_["tokens"];
    table_ = make_rope_table({}, layer_.rotary_dims, tokens_);
    const Index sequences = static_cast<Index>(record_["inputs"].size()) / d / tokens_;
    const MatrixXd inputs = matrix<MatrixXd>(record_["inputs"], sequences * tokens_, d);
    for (Index i = 0; i < sequences; ++i) inputs_.push_back(inputs.middleRows(i * tokens_, tokens_));
    attended_ = attend(layer_);
  }

  std::vector<HostAttention> attend(const AttentionLayer& layer) const {
    std::vector<HostAttention> out;
    for (const MatrixXd& x : inputs_) out.push_back(attend_on_host(layer, x, table_));
    return out;
  }
  static MatrixXd outputs(const std::vector<HostAttention>& sequences) {
    const Index tokens = sequences.front().output.rows();
    MatrixXd out(static_cast<Index>(sequences.size()) * tokens, sequences.front().output.cols());
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      out.middleRows(static_cast<Index>(i) * tokens, tokens) = sequences[i].output;
    }
    return out;
  }

  Json record_;
  AttentionLayer layer_;
  std::uint32_t tokens_ = 0;
  std::vector<float> table_;
  std::vector<MatrixXd> inputs_;
  std::vector<HostAttention> attended_;
};

TEST_P(RecordedMergesTest, AttentionAndStatistics) {
  const Index n = layer_.kv_heads, heads = layer_.query_heads, dim = layer_.head_dim;
  const Index planes = layer_.rotary_dims / 2, rest = dim - 2 * planes;
  const MatrixXd found = outputs(attended_);
  EXPECT_LT(difference(found, matrix<MatrixXd>(record_["outputs"], found.rows(), found.cols())), 1e-6);
  const LayerStatistics statistics = statistics_on_host(layer_, attended_);
  EXPECT_EQ(statistics.tokens, inputs_.size() * tokens_);
  EXPECT_LT(difference(statistics.value_gram, matrix<MatrixXd>(record_["value_gram"], n * dim, n * dim)), 1e-6);
  const MatrixXd re = matrix<MatrixXd>(record_["key_gram_real"], planes * n, n);
  const MatrixXd im = matrix<MatrixXd>(record_["key_gram_imaginary"], planes * n, n);
  ASSERT_EQ(statistics.key_gram.size(), static_cast<std::size_t>(planes));
  for (Index p = 0; p < planes; ++p) {
    const Eigen::MatrixXcd& gram = statistics.key_gram[static_cast<std::size_t>(p)];
    EXPECT_LT((gram.real() - re.middleRows(p * n, n)).cwiseAbs().maxCoeff(), 1e-6 * re.cwiseAbs().maxCoeff());
    EXPECT_LT((gram.imag() - im.middleRows(p * n, n)).cwiseAbs().maxCoeff(), 1e-6 * re.cwiseAbs().maxCoeff());
  }
  EXPECT_LT(difference(statistics.query_energy, matrix<MatrixXd>(record_["query_energy"], heads, planes)), 1e-6);
  EXPECT_LT(
      difference(statistics.unrotated_key_gram, matrix<MatrixXd>(record_["unrotated_key_gram"], n * rest, n * rest)),
      1e-6);
  const MatrixXd query_gram = matrix<MatrixXd>(record_["unrotated_query_gram"], heads * rest, rest);
  for (Index h = 0; h < heads; ++h) {
    EXPECT_LT(
        difference(statistics.unrotated_query_gram[static_cast<std::size_t>(h)], query_gram.middleRows(h * rest, rest)),
        1e-6);
  }
  EXPECT_LT(difference(statistics.logit_sensitivity, matrix<MatrixXd>(record_["logit_sensitivity"], heads, 1)), 1e-6);
}

TEST_P(RecordedMergesTest, CostsAndBestGroups) {
  const LayerStatistics statistics = statistics_on_host(layer_, attended_);
  const GroupCost closed_form = closed_form_cost(layer_, statistics);
  const GroupCost measured = measured_cost(layer_, statistics, attended_);
  ASSERT_FALSE(record_["costs"].empty());
  for (const Json& cost : record_["costs"]) {
    const auto heads = cost["heads"].get<std::vector<std::uint32_t>>();
    EXPECT_NEAR(closed_form(heads), cost["closed_form"].get<double>(), 1e-6 * cost["closed_form"].get<double>());
    EXPECT_NEAR(measured(heads), cost["measured"].get<double>(), 1e-6 * cost["measured"].get<double>());
  }
  for (const Json& groups : record_["best_groups"]) {
    const auto wanted = groups.get<std::vector<std::vector<std::uint32_t>>>();
    EXPECT_EQ(best_grouping(layer_.kv_heads, static_cast<std::uint32_t>(wanted.size()), measured).groups, wanted);
  }
}

TEST_P(RecordedMergesTest, OutputsOfMergedLayers) {
  const LayerStatistics statistics = statistics_on_host(layer_, attended_);
  const MatrixXd original = outputs(attended_);
  ASSERT_FALSE(record_["merges"].empty());
  for (const Json& merge : record_["merges"]) {
    const std::string recorded = merge["method"];
    const std::string name = recorded == "align-weights" ? "align" : recorded;
    const HeadGroups groups{merge["groups"].get<std::vector<std::vector<std::uint32_t>>>()};
    MergeInput input;
    if (recorded != "align-weights") input.statistics = &statistics;
    const AttentionLayer merged = merge_method_named(name).merge(layer_, groups, input);
    EXPECT_EQ(merged.kv_heads, groups.count());
    EXPECT_EQ(merged.key.rows(), groups.count() * layer_.head_dim);
    const std::vector<HostAttention> attended = attend(merged);
    const MatrixXd wanted = matrix<MatrixXd>(merge["outputs"], tokens_, layer_.hidden);
    const double tolerance = 2e-6;
    EXPECT_LT(difference(attended.front().output, wanted), tolerance) << recorded << " to " << groups.count();
    const double error = (outputs(attended) - original).squaredNorm() / original.squaredNorm();
    EXPECT_NEAR(error, merge["error"].get<double>(), tolerance * merge["error"].get<double>()) << recorded;
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, RecordedMergesTest,
                         testing::Values("mha-8", "gqa-9-3", "biased-12-4", "partial-rotary-8-4"),
                         [](const testing::TestParamInfo<std::string>& layer) {
                           std::string name = layer.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace regroup::test
