// Similarity of heads: what turning makes the same counts as the same behind alignment, and not before.
#include "converter/head_similarity.h"

#include <gtest/gtest.h>

#include <Eigen/QR>
#include <complex>
#include <random>

#include "converter/attention_layer.h"
#include "converter/head_groups.h"

namespace regroup::test {
namespace {

// Two groups of two heads; the second head of each group is the first, its keys turned by a phase per plane, its values
// by an orthogonal map.
AttentionLayer turned_pairs(std::uint32_t rotary_dims) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  AttentionLayer layer{.hidden = 24, .query_heads = 4, .kv_heads = 4, .head_dim = 8, .rotary_dims = rotary_dims};
  layer.key = WeightRows::NullaryExpr(32, 24, [&] { return normal(random); });
  layer.value = WeightRows::NullaryExpr(32, 24, [&] { return normal(random); });
  const Eigen::MatrixXf turn = Eigen::HouseholderQR<Eigen::MatrixXf>(Eigen::MatrixXf::NullaryExpr(8, 8, [&] {
                                 return normal(random);
                               })).householderQ();
  for (const Eigen::Index to : {8, 24}) {
    const Eigen::Index from = to - 8;
    layer.value.middleRows(to, 8) = turn * layer.value.middleRows(from, 8);
    for (Eigen::Index p = 0; p < 4; ++p) {
      const std::complex<float> phase = std::polar(1.0f, 0.7f + 1.1f * static_cast<float>(p));
      layer.key.row(to + 2 * p) =
          phase.real() * layer.key.row(from + 2 * p) - phase.imag() * layer.key.row(from + 2 * p + 1);
      layer.key.row(to + 2 * p + 1) =
          phase.imag() * layer.key.row(from + 2 * p) + phase.real() * layer.key.row(from + 2 * p + 1);
    }
  }
  return layer;
}

TEST(HeadSimilarity, AlignmentUndoesTurnsWithinAGroup) {
  const HeadSimilarity s = similar_heads(turned_pairs(8), HeadGroups::contiguous(4, 2));
  for (const auto& [a, b] : {std::pair{0, 1}, {2, 3}}) {
    EXPECT_LT(s.key[a][b], 0.6);
    EXPECT_LT(s.value[a][b], 0.6);
    EXPECT_NEAR(s.key_aligned[a][b], 1.0, 1e-5);
    EXPECT_NEAR(s.value_aligned[a][b], 1.0, 1e-5);
    EXPECT_EQ(s.key[a][b], s.key[b][a]);
  }
  EXPECT_LT(s.key_aligned[0][2], 0.9);  // of different groups
  for (std::size_t h = 0; h < 4; ++h) {
    EXPECT_NEAR(s.key[h][h], 1.0, 1e-12);
    EXPECT_NEAR(s.value_aligned[h][h], 1.0, 1e-12);
  }
}

TEST(HeadSimilarity, WhatRopeLeavesAloneIsNotTurned) {
  const HeadSimilarity whole = similar_heads(turned_pairs(8), HeadGroups::contiguous(4, 2));
  const HeadSimilarity half = similar_heads(turned_pairs(4), HeadGroups::contiguous(4, 2));
  EXPECT_EQ(half.key[0][1], whole.key[0][1]);
  EXPECT_LT(half.key_aligned[0][1], 0.95);
  EXPECT_GT(half.key_aligned[0][1], half.key[0][1]);
}

}  // namespace
}  // namespace regroup::test
