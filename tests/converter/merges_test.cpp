// What every merge method must leave unchanged, on layers of many shapes, judged by the layer's outputs.
#include <gtest/gtest.h>

#include <cstring>

#include "converter/merge.h"
#include "runtime/core/error.h"
#include "runtime/model/group_plan.h"
#include "tests/converter/layer_samples.h"

namespace regroup::test {
namespace {

AttentionLayer merged_by(std::string_view name, const LayerSample& sample, const AttentionLayer& layer,
                         const HeadGroups& groups, bool use_statistics = true) {
  const MergeMethod& method = merge_method_named(name);
  const LayerStatistics statistics = sample.statistics(layer);
  MergeInput input;
  if (use_statistics) input.statistics = &statistics;
  input.seed = 5;
  return method.merge(layer, groups, input);
}

// The methods of this file: those that need no device.
std::vector<std::string_view> host_methods() {
  std::vector<std::string_view> names;
  for (const MergeMethod* method : merge_methods()) {
    if (method->needs != MergeNeeds::kActivations) names.push_back(method->name);
  }
  return names;
}

// Some grouping of the heads into `count` groups that is not contiguous where that is possible.
HeadGroups dealt(std::uint32_t kv_heads, std::uint32_t count) {
  HeadGroups out;
  out.groups.resize(count);
  for (std::uint32_t j = 0; j < kv_heads; ++j) out.groups[(j * 7 + 1) % kv_heads % count].push_back(j);
  return out;
}

std::vector<std::uint32_t> proper_divisors(std::uint32_t n) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t g = 1; g < n; ++g) {
    if (n % g == 0) out.push_back(g);
  }
  return out;
}

TEST(MergesTest, AllAreKnown) {
  EXPECT_EQ(host_methods(), (std::vector<std::string_view>{"mean", "first", "random", "mean-norm", "align", "svd"}));
}

TEST(MergesTest, AsManyGroupsAsHeadsIsTheIdentity) {
  for (const LayerShape& shape : layer_shapes()) {
    const LayerSample sample(shape);
    for (const std::string_view name : host_methods()) {
      const AttentionLayer same =
          merged_by(name, sample, sample.layer, HeadGroups::contiguous(shape.kv_heads, shape.kv_heads));
      EXPECT_EQ(same.kv_heads, shape.kv_heads);
      EXPECT_TRUE(same.key == sample.layer.key && same.value == sample.layer.value) << name << to_string(shape);
      EXPECT_TRUE(same.query == sample.layer.query && same.output == sample.layer.output) << name << to_string(shape);
      EXPECT_TRUE(same.query_bias == sample.layer.query_bias && same.key_bias == sample.layer.key_bias &&
                  same.value_bias == sample.layer.value_bias);
    }
  }
}

TEST(MergesTest, EqualHeadsMergeToThatHead) {
  for (const LayerShape& shape : layer_shapes()) {
    LayerSample sample(shape);
    AttentionLayer& layer = sample.layer;
    const Eigen::Index dim = shape.head_dim;
    for (std::uint32_t j = 1; j < shape.kv_heads; ++j) {
      layer.key.middleRows(j * dim, dim) = layer.key.topRows(dim);
      layer.value.middleRows(j * dim, dim) = layer.value.topRows(dim);
      if (!shape.biases) continue;
      layer.key_bias.segment(j * dim, dim) = layer.key_bias.head(dim);
      layer.value_bias.segment(j * dim, dim) = layer.value_bias.head(dim);
    }
    for (const std::string_view name : host_methods()) {
      for (const std::uint32_t groups : proper_divisors(shape.kv_heads)) {
        const AttentionLayer one = merged_by(name, sample, layer, dealt(shape.kv_heads, groups));
        EXPECT_EQ(one.kv_heads, groups);
        EXPECT_LT(sample.distance(with_query_order(layer, dealt(shape.kv_heads, groups)), one), 1e-5)
            << name << " to " << groups << ": " << to_string(shape);
      }
    }
  }
}

TEST(MergesTest, HeadsThatDifferByCoordinatesMergeWithoutLoss) {
  for (const LayerShape& shape : layer_shapes()) {
    for (const auto& [name, gauge] : {std::pair("align", Gauge::kAlign), std::pair("svd", Gauge::kFree)}) {
      LayerSample sample(shape);
      const Eigen::Index dim = shape.head_dim;
      AttentionLayer& layer = sample.layer;
      for (std::uint32_t j = 1; j < shape.kv_heads; ++j) {
        layer.key.middleRows(j * dim, dim) = layer.key.topRows(dim);
        layer.value.middleRows(j * dim, dim) = layer.value.topRows(dim);
        if (!shape.biases) continue;
        layer.key_bias.segment(j * dim, dim) = layer.key_bias.head(dim);
        layer.value_bias.segment(j * dim, dim) = layer.value_bias.head(dim);
      }
      const AttentionLayer other = in_other_coordinates(layer, gauge, sample);
      for (const std::uint32_t groups : proper_divisors(shape.kv_heads)) {
        const HeadGroups group = dealt(shape.kv_heads, groups);
        EXPECT_LT(sample.distance(with_query_order(layer, group), merged_by(name, sample, other, group)), 1e-4)
            << name << " to " << groups << ": " << to_string(shape);
        // Mean pooling does not see it: the test would notice coordinates that change nothing.
        EXPECT_GT(sample.distance(with_query_order(layer, group), merged_by("mean", sample, other, group)), 0.05);
      }
    }
  }
}

TEST(MergesTest, CoordinatesAndOrderOfHeadsDoNotChangeTheLayer) {
  for (const LayerShape& shape : layer_shapes()) {
    LayerSample sample(shape);
    EXPECT_LT(sample.distance(sample.layer, in_other_coordinates(sample.layer, Gauge::kFree, sample)), 1e-4)
        << to_string(shape);
    std::vector<std::uint32_t> order(shape.kv_heads);
    std::iota(order.rbegin(), order.rend(), 0u);
    EXPECT_LT(sample.distance(sample.layer, with_kv_order(sample.layer, order)), 1e-6) << to_string(shape);
  }
}

// What is lost may depend on the layer's function only, not on the coordinates that a checkpoint happens to have.
TEST(MergesTest, ResultDoesNotDependOnCoordinates) {
  for (const LayerShape& shape : layer_shapes()) {
    for (const auto& [name, gauge] : {std::pair("align", Gauge::kAlign), std::pair("svd", Gauge::kFree)}) {
      LayerSample sample(shape);
      const AttentionLayer other = in_other_coordinates(sample.layer, gauge, sample);
      for (const std::uint32_t groups : proper_divisors(shape.kv_heads)) {
        const HeadGroups group = dealt(shape.kv_heads, groups);
        const AttentionLayer wanted = merged_by(name, sample, sample.layer, group);
        EXPECT_LT(sample.distance(wanted, merged_by(name, sample, other, group)), 1e-3)
            << name << " to " << groups << ": " << to_string(shape);
        EXPECT_GT(sample.distance(sample.layer, wanted), 0.02);  // and something is lost
      }
    }
  }
}

// Groups in another order, and layers whose heads stand in another order, give the same function.
TEST(MergesTest, PermutedGroupsAreTheStandardLayout) {
  for (const LayerShape& shape : layer_shapes()) {
    LayerSample sample(shape);
    std::vector<std::uint32_t> order(shape.kv_heads);
    std::iota(order.begin(), order.end(), 0u);
    std::rotate(order.begin(), order.begin() + 1, order.end());
    const AttentionLayer moved = with_kv_order(sample.layer, order);
    for (const std::string_view name : host_methods()) {
      if (name == "random") continue;  // draws by position
      for (const std::uint32_t groups : proper_divisors(shape.kv_heads)) {
        const HeadGroups contiguous = HeadGroups::contiguous(shape.kv_heads, groups);
        HeadGroups permuted = contiguous;  // of `sample.layer`, holding the heads of `moved`'s groups
        for (auto& group : permuted.groups) {
          for (std::uint32_t& head : group) head = order[head];
        }
        const AttentionLayer a = merged_by(name, sample, sample.layer, permuted);
        const AttentionLayer b = merged_by(name, sample, moved, contiguous);
        EXPECT_LT(sample.distance(a, b), 1e-5) << name << " to " << groups << ": " << to_string(shape);
      }
    }
  }
}

// The order of value: on heads that share something, closed forms from statistics lose less than alignment, and that
// less than plain pooling.
TEST(MergesTest, BetterMethodsLoseLess) {
  double mean = 0, align = 0, align_weights = 0, svd = 0;
  for (const LayerShape& shape : layer_shapes()) {
    LayerSample sample(shape);
    const AttentionLayer other = in_other_coordinates(sample.layer, Gauge::kAlign, sample);
    for (const std::uint32_t groups : proper_divisors(shape.kv_heads)) {
      const HeadGroups group = HeadGroups::contiguous(shape.kv_heads, groups);
      mean += sample.distance(other, merged_by("mean", sample, other, group));
      align += sample.distance(other, merged_by("align", sample, other, group));
      align_weights += sample.distance(other, merged_by("align", sample, other, group, false));
      svd += sample.distance(other, merged_by("svd", sample, other, group));
    }
  }
  EXPECT_LT(svd, 0.8 * align);
  EXPECT_LT(align, 0.8 * mean);
  EXPECT_LT(align_weights, 0.9 * mean);  // the inputs have outliers that weights do not show
}

TEST(MergesTest, MeanNormHasTheMembersNorm) {
  const LayerSample sample({6, 6, 4, 4, 20, true});
  const AttentionLayer merged = merged_by("mean-norm", sample, sample.layer, dealt(6, 2));
  const HeadGroups groups = dealt(6, 2);
  for (std::uint32_t g = 0; g < 2; ++g) {
    double key = 0, bias = 0;
    for (const std::uint32_t head : groups.groups[g]) {
      key += sample.layer.key.middleRows(head * 4, 4).norm() / 3;
      bias += sample.layer.value_bias.segment(head * 4, 4).norm() / 3;
    }
    EXPECT_NEAR(merged.key.middleRows(g * 4, 4).norm(), key, 1e-5 * key);
    EXPECT_NEAR(merged.value_bias.segment(g * 4, 4).norm(), bias, 1e-5 * bias);
  }
}

TEST(MergesTest, RandomFollowsItsSeedAndDrawsMembers) {
  const LayerSample sample({8, 8, 4, 4, 20, false});
  const MergeMethod& random = merge_method_named("random");
  const HeadGroups groups = dealt(8, 2);
  const auto drawn = [&](std::uint64_t seed, std::uint32_t layer) {
    MergeInput input;
    input.seed = seed;
    input.layer = layer;
    const AttentionLayer merged = random.merge(sample.layer, groups, input);
    std::vector<std::uint32_t> heads;
    for (std::uint32_t g = 0; g < 2; ++g) {
      for (const std::uint32_t head : groups.groups[g]) {
        if (merged.key.middleRows(g * 4, 4) == sample.layer.key.middleRows(head * 4, 4) &&
            merged.value.middleRows(g * 4, 4) == sample.layer.value.middleRows(head * 4, 4)) {
          heads.push_back(head);
        }
      }
    }
    return heads;
  };
  EXPECT_EQ(drawn(1, 0).size(), 2u);
  EXPECT_EQ(drawn(1, 0), drawn(1, 0));
  std::vector<std::vector<std::uint32_t>> by_seed, by_layer;
  for (std::uint32_t i = 0; i < 12; ++i) {
    by_seed.push_back(drawn(i, 0));
    by_layer.push_back(drawn(1, i));
  }
  EXPECT_NE(std::count(by_seed.begin(), by_seed.end(), by_seed[0]), 12);
  EXPECT_NE(std::count(by_layer.begin(), by_layer.end(), by_layer[0]), 12);
}

// As live pooling does, so that trying a seed tells what converting with it gives.
TEST(MergesTest, RandomDrawsWhatLivePoolingDraws) {
  const LayerSample sample({8, 8, 4, 4, 20, false});
  ModelConfig config;
  config.layers.assign(3, LayerConfig{.kv_heads = 8});
  for (const std::uint64_t seed : {0u, 3u, 77u}) {
    const GroupPlan live = GroupPlan::contiguous(config, {2}, PoolMethod::kRandom, seed);
    for (std::uint32_t l = 0; l < 3; ++l) {
      const AttentionLayer merged = merge_method_named("random").merge(sample.layer, HeadGroups::contiguous(8, 2),
                                                                       MergeInput{.seed = seed, .layer = l});
      for (const PoolTerm& term : live.layers[l].terms) {
        EXPECT_TRUE(merged.key.middleRows(term.target * 4, 4) == sample.layer.key.middleRows(term.source * 4, 4));
      }
    }
  }
}

TEST(MergesTest, NormsOfQueriesAndKeysForbidWhatChangesQueries) {
  AttentionLayer layer = LayerSample({4, 4, 4, 4, 8, false}).layer;
  for (const std::string_view name : {"align", "svd"}) {
    EXPECT_FALSE(refusal(merge_method_named(name), layer).has_value());
  }
  layer.qk_norm = true;
  for (const std::string_view name : {"align", "svd"}) {
    EXPECT_NE(refusal(merge_method_named(name), layer).value_or("").find("per-head norms"), std::string::npos);
  }
  for (const std::string_view name : {"mean", "first", "random", "mean-norm"}) {
    EXPECT_FALSE(refusal(merge_method_named(name), layer).has_value());
  }
}

TEST(MergesTest, StopWhenCancelled) {
  const LayerSample sample({4, 4, 4, 4, 8, false});
  const LayerStatistics statistics = sample.statistics(sample.layer);
  const CancelFlag stop = true;
  MergeInput input;
  input.statistics = &statistics;
  input.cancel = &stop;
  for (const std::string_view name : {"align", "svd"}) {
    try {
      merge_method_named(name).merge(sample.layer, HeadGroups::contiguous(4, 2), input);
      ADD_FAILURE() << name << " went on";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInterrupted);
    }
  }
}

}  // namespace
}  // namespace regroup::test
