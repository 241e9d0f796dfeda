// Traces: written and read again without loss, refused when damaged, compared to the first token and layer.
#include "runtime/decode/trace.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/core/error.h"
#include "runtime/core/json.h"

namespace regroup::test {
namespace {

Trace small_trace() {
  Trace trace{.model = {.name = "m\"1",
                        .path = "/m.gguf",
                        .architecture = "llama",
                        .layers = 2,
                        .query_heads = 4,
                        .head_dim = 8,
                        .vocabulary = 16,
                        .hidden = 32,
                        .kv_heads = {4, 4},
                        .parameters = 1000,
                        .weights_bytes = 4000},
              .device = "device",
              .driver = "driver",
              .kernels = "cpu",
              .cache_type = "f16",
              .positions = 64,
              .prefill_ms = 1.5,
              .bytes_per_second = 1e9};
  trace.groupings = {{.groups = {4, 4},
                      .method = "none",
                      .kv_bytes_per_token = 256,
                      .layer_bytes_per_token = {128, 128},
                      .kv_bytes = 16384},
                     {.groups = {2, 1},
                      .method = "mean",
                      .kv_bytes_per_token = 96,
                      .layer_bytes_per_token = {64, 32},
                      .kv_bytes = 6144}};
  trace.tokens.push_back({.id = 1, .text = "a", .prompt = true});
  for (std::uint32_t t = 0; t < 4; ++t) {
    trace.tokens.push_back({.id = 2 + t,
                            .text = "\u00e9\n",
                            .probability = 0.25f,
                            .alternatives = {{2 + t, 0.25f, "x"}, {9, 0.125f, " y"}},
                            .ms = 2.5,
                            .split = {1, 0.5, 0.25},
                            .grouping = t / 2,
                            .quality = TraceQuality{0.125, t != 2},
                            .layers = {{1.0f + static_cast<float>(t), 0.5f}, {2.0f, -0.5f}}});
  }
  trace.sweep = {{.groups = 4, .depth = 32, .mean_ms = 3, .deviation_ms = 0.5, .runs = 5, .kv_bytes_per_token = 256}};
  return trace;
}

TEST(TraceTest, SurvivesBeingWrittenAndRead) {
  const std::string text = trace_to_json(small_trace());
  EXPECT_EQ(trace_to_json(trace_from_json(text, "file")), text);
  const Trace again = trace_from_json(text, "file");
  EXPECT_EQ(again.model.name, "m\"1");
  EXPECT_EQ(again.tokens[3].alternatives[1].text, " y");
  EXPECT_FALSE(again.tokens[3].quality->same_top);
  EXPECT_EQ(again.tokens[3].layers[1].projection, -0.5f);
  EXPECT_EQ(again.groupings[1].groups, (std::vector<std::uint32_t>{2, 1}));
  EXPECT_EQ(again.prompt_tokens(), 1u);
}

TEST(TraceTest, RefusesWhatCannotBeShown) {
  const auto good = nlohmann::json::parse(trace_to_json(small_trace()));
  const auto refused = [&](const char* pointer, const nlohmann::json& value) {
    nlohmann::json bad = good;
    bad[nlohmann::json::json_pointer(pointer)] = value;
    try {
      trace_from_json(bad.dump(), "bad.json");
      return std::string();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel);
      return std::string(error.what());
    }
  };
  EXPECT_NE(refused("/tokens/2/grouping", 2).find("tokens[2].grouping"), std::string::npos);
  EXPECT_NE(refused("/tokens/2/id", -1), "");
  EXPECT_NE(refused("/tokens/2/id", 1e99), "");
  EXPECT_NE(refused("/tokens/1/alternatives/0", nlohmann::json::array({1})), "");
  EXPECT_NE(refused("/groupings/0/groups", nlohmann::json::array({4})), "");
  EXPECT_NE(refused("/groupings/0/groups/0", 0), "");
  EXPECT_NE(refused("/groupings/0/groups/0", 5), "");
  EXPECT_NE(refused("/model/layers", 1u << 30), "");
  EXPECT_NE(refused("/schema", 99), "");
  EXPECT_NE(refused("/kind", "picture"), "");
  EXPECT_NE(refused("/tokens/1/split_ms", nlohmann::json::array()), "");
  EXPECT_NE(refused("/model", nlohmann::json::array()), "");
  EXPECT_THROW(trace_from_json("{", "bad.json"), Error);
}

TEST(TraceTest, ComparisonNamesTheFirstTokenAndLayer) {
  const Trace a = small_trace();
  EXPECT_FALSE(compare_traces(a, a).first_token);
  EXPECT_FALSE(compare_traces(a, a).first_layer);
  Trace b = a;
  b.tokens[3].layers[1].projection = 0.5f;
  b.tokens[4].id = 7;
  TraceDifference difference = compare_traces(a, b);
  EXPECT_EQ(difference.first_token, 4u);
  EXPECT_EQ(difference.layer_token, 3u);
  EXPECT_EQ(difference.first_layer, 1u);
  EXPECT_EQ(difference.describe(),
            "The first token that differs is number 4. The first layer that differs is layer 1, at token 3.");
  Trace shorter = a;
  shorter.tokens.pop_back();
  EXPECT_EQ(compare_traces(a, shorter).first_token, 4u);
  Trace rounded = a;
  rounded.tokens[2].layers[0].norm *= 1.0001f;
  EXPECT_FALSE(compare_traces(a, rounded).first_layer);
}

TEST(TraceTest, AlternativesAreTheLargestProbabilities) {
  const auto best = best_alternatives({std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.3f)}, 3);
  ASSERT_EQ(best.size(), 3u);
  EXPECT_EQ(best[0].id, 1u);
  EXPECT_EQ(best[1].id, 3u);
  EXPECT_EQ(best[2].id, 2u);
  EXPECT_NEAR(best[0].probability, 0.4f, 1e-6f);
  EXPECT_EQ(best_alternatives({1.0f, 1.0f}, 10)[0].id, 0u) << "among equal ones the lower id";
}

TEST(TraceTest, DivergenceIsKullbackLeiblers) {
  const std::vector<float> p = {std::log(0.7f), std::log(0.3f)}, q = {std::log(0.4f), std::log(0.6f)};
  EXPECT_NEAR(compare_logits(p, q).kl, 0.7 * std::log(0.7 / 0.4) + 0.3 * std::log(0.3 / 0.6), 1e-6);
  EXPECT_FALSE(compare_logits(p, q).same_top);
  EXPECT_EQ(compare_logits(p, p).kl, 0.0);
  EXPECT_TRUE(compare_logits(p, p).same_top);
}

TEST(TraceTest, TimingsAreSplitByWhatTheyCompute) {
  const TraceSplit split = split_timings(
      {{"attention", 1}, {"attention_merge", 2}, {"linear_decode_f32", 4}, {"rope_f16", 8}, {"sampling_greedy", 16}});
  EXPECT_EQ(split.attention_ms, 3);
  EXPECT_EQ(split.products_ms, 4);
  EXPECT_EQ(split.rest_ms, 24);
}

TEST(TraceTest, FingerprintsTellVectorsApart) {
  std::vector<float> x(64, 1.0f);
  const TraceFingerprint a = fingerprint(x.data(), x.size());
  EXPECT_FLOAT_EQ(a.norm, 8.0f);
  std::swap(x[3], x[4]);
  EXPECT_EQ(fingerprint(x.data(), x.size()).projection, a.projection);
  x[5] = -1.0f;
  EXPECT_EQ(fingerprint(x.data(), x.size()).norm, a.norm);
  EXPECT_NE(fingerprint(x.data(), x.size()).projection, a.projection);
}

}  // namespace
}  // namespace regroup::test
