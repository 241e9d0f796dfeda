// Perplexity, divergence and agreement against what transformers gave for the bundled model
// (tests/data/evaluation.json, written by tests/tools/make_evaluation.py), and what must hold exactly.
#include "runtime/decode/evaluate.h"

#include <cmath>
#include <fstream>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/decode/load_tokenizer.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

nlohmann::json record() {
  std::ifstream in(source_path("tests/data/evaluation.json"));
  return nlohmann::json::parse(in);
}

EvaluationText recorded_text() {
  return {record()["chunks"].get<std::vector<std::vector<std::uint32_t>>>()};
}

class EvaluateTest : public DeviceTest {
 protected:
  EvaluateTest() : loaded_(load_model(device(), kernel_profile(device()), bundled_model())) {}

  Contestant original() const { return {*loaded_.model, *loaded_.grouping}; }
  std::unique_ptr<Grouping> pooled(std::uint32_t groups) const {
    return std::make_unique<Grouping>(*loaded_.model,
                                      GroupPlan::contiguous(loaded_.model->config(), {groups}, PoolMethod::kMean));
  }

  LoadedModel loaded_;
};

TEST_F(EvaluateTest, EqualsTransformers) {
  const nlohmann::json recorded = record();
  const EvaluationText text = recorded_text();
  std::vector<std::unique_ptr<Grouping>> groupings;
  std::vector<Contestant> contestants;
  for (const auto& result : recorded["results"]) {
    groupings.push_back(pooled(result["groups"]));
    contestants.push_back({*loaded_.model, *groupings.back()});
  }
  const std::vector<Evaluation> found = evaluate(original(), contestants, text);
  ASSERT_EQ(found.size(), recorded["results"].size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& expected = recorded["results"][i];
    SCOPED_TRACE(expected["groups"].dump() + " groups");
    EXPECT_EQ(found[i].tokens, expected["tokens"]);
    const auto near = [](double value, double want, double relative, double absolute) {
      EXPECT_NEAR(value, want, relative * std::fabs(want) + absolute);
    };
    near(found[i].perplexity, expected["perplexity"], 1e-4, 0);
    near(found[i].baseline_perplexity, recorded["results"][0]["perplexity"], 1e-4, 0);
    near(found[i].kl_mean, expected["kl_mean"], 1e-3, 1e-5);
    near(found[i].kl_p99, expected["kl_p99"], 1e-3, 1e-4);
    // One token whose two best logits are within rounding may fall either way.
    near(found[i].same_top, expected["same_top"], 0, 1.01 / static_cast<double>(found[i].tokens));
  }
}

TEST_F(EvaluateTest, TextIsCutAsRecorded) {
  const nlohmann::json recorded = record();
  const auto tokenizer = load_tokenizer(loaded_.file, loaded_.model->config().vocabulary);
  ASSERT_TRUE(tokenizer);
  const EvaluationText text = cut_text(*tokenizer, recorded["text"].get<std::string>(), recorded["chunk_tokens"]);
  EXPECT_EQ(text.chunks, recorded_text().chunks);
  EXPECT_EQ(text.scored_tokens(), recorded["results"][0]["tokens"]);
  EXPECT_THROW(cut_text(*tokenizer, "", 16), Error);
}

TEST_F(EvaluateTest, AModelIsItself) {
  // A grouping of its own with all heads: other sessions, equal results.
  const Grouping again(*loaded_.model, GroupPlan::identity(loaded_.model->config()));
  const Contestant contestants[] = {original(), {*loaded_.model, again}};
  for (const Evaluation& found : evaluate(original(), contestants, recorded_text())) {
    EXPECT_EQ(found.kl_mean, 0.0);
    EXPECT_EQ(found.kl_p99, 0.0);
    EXPECT_EQ(found.same_top, 1.0);
    EXPECT_EQ(found.perplexity, found.baseline_perplexity);
  }
}

TEST_F(EvaluateTest, ScoresComeInOrderAndMakeTheSummary) {
  const auto fewer = pooled(2);
  const Contestant contestants[] = {{*loaded_.model, *fewer, CacheType::kF16}};
  EvaluationText text = recorded_text();
  text.chunks.resize(2);
  text.chunks[1].resize(2);  // a single scored token
  std::vector<TokenScore> scores;
  double last = 0;
  const auto found = evaluate(original(), contestants, text,
                              {.progress =
                                   [&](std::string_view, double fraction) {
                                     EXPECT_GT(fraction, last);
                                     last = fraction;
                                   },
                               .on_scores =
                                   [&](std::size_t index, std::span<const TokenScore> part) {
                                     EXPECT_EQ(index, 0u);
                                     scores.insert(scores.end(), part.begin(), part.end());
                                   }});
  EXPECT_EQ(last, 1.0);
  ASSERT_EQ(scores.size(), text.scored_tokens());
  for (std::size_t i = 0; i + 1 < scores.size(); ++i) EXPECT_EQ(scores[i].token, text.chunks[0][i + 1]);
  EXPECT_EQ(scores.back().token, text.chunks[1][1]);
  const Evaluation whole = summarise_scores(scores);
  EXPECT_EQ(whole.perplexity, found[0].perplexity);
  EXPECT_EQ(whole.kl_p99, found[0].kl_p99);
  EXPECT_GT(whole.kl_mean, 0.0);
  EXPECT_LT(whole.same_top, 1.0);
}

TEST_F(EvaluateTest, StopsWhenAsked) {
  const CancelFlag stop{true};
  const Contestant contestants[] = {original()};
  try {
    evaluate(original(), contestants, recorded_text(), {.cancel = &stop});
    ADD_FAILURE() << "went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInterrupted);
  }
}

TEST(Evaluation, SummaryOfKnownScores) {
  std::vector<TokenScore> scores;
  for (int i = 0; i < 101; ++i) {
    scores.push_back({.token = 0,
                      .nll = i % 2 == 0 ? 1.0f : 3.0f,
                      .baseline_nll = 0.5f,
                      .divergence = static_cast<float>(i),
                      .baseline_top = 7,
                      .top = i < 25 ? 7u : 8u});
  }
  const Evaluation found = summarise_scores(scores);
  EXPECT_EQ(found.tokens, 101u);
  EXPECT_NEAR(found.perplexity, std::exp((51 + 150) / 101.0), 1e-9);
  EXPECT_NEAR(found.baseline_perplexity, std::exp(0.5), 1e-9);
  EXPECT_NEAR(found.kl_mean, 50, 1e-9);
  EXPECT_NEAR(found.kl_p99, 99, 1e-6);
  EXPECT_NEAR(found.same_top, 25 / 101.0, 1e-9);
}

}  // namespace
}  // namespace regroup::test
