// Observed steps: watching changes no token, prefill and decoding show the same queries and residuals, and attention
// rows are distributions over the positions that the layer may look at.
#include "runtime/decode/step_recorder.h"

#include <cmath>
#include <numeric>
#include <optional>

#include "runtime/core/error.h"
#include "runtime/decode/attention_rows.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

class StepRecorderTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    loaded_ = load_model(device(), kernel_profile(device()), bundled_model());
  }
  const ModelConfig& config() { return loaded_->model->config(); }
  Session session(CacheType type = CacheType::kF32) {
    return Session(*loaded_->model, *loaded_->grouping, {.context = 64, .cache_type = type});
  }
  std::vector<std::uint32_t> tokens(std::uint32_t count) {
    std::vector<std::uint32_t> ids(count);
    for (std::uint32_t i = 0; i < count; ++i) ids[i] = (i * 131 + 7) % config().vocabulary;
    return ids;
  }
  std::optional<LoadedModel> loaded_;
};

void expect_close(std::span<const float> a, std::span<const float> b, float tolerance) {
  ASSERT_EQ(a.size(), b.size());
  float largest = 0, worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(b[i]));
    worst = std::max(worst, std::abs(a[i] - b[i]));
  }
  EXPECT_GT(largest, 0.0f);
  EXPECT_LE(worst, tolerance * largest);
}

TEST_F(StepRecorderTest, WatchingChangesNoToken) {
  Session plain = session(), watched = session();
  std::size_t seen = 0;
  watched.observe({.attention_layer = 1, .residuals = true, .on_step = [&](const ObservedStep& step) {
                     seen += step.token_count;
                   }});
  std::uint32_t expected = plain.prefill(tokens(9)).id, found = watched.prefill(tokens(9)).id;
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(found, expected);
    expected = plain.decode().id;
    found = watched.decode().id;
  }
  EXPECT_EQ(seen, 15u);
  watched.observe({});
  watched.decode();
  EXPECT_EQ(seen, 15u);
}

TEST_F(StepRecorderTest, DecodingShowsWhatPrefillShows) {
  Session whole = session(), single = session();
  const auto ids = tokens(8);
  ObservedStep at_once, last;
  whole.observe({.attention_layer = 2, .residuals = true, .on_step = [&](const ObservedStep& s) { at_once = s; }});
  single.observe({.attention_layer = 2, .residuals = true, .on_step = [&](const ObservedStep& s) { last = s; }});
  whole.prefill(ids);
  for (const std::uint32_t id : ids) single.prefill({&id, 1});
  ASSERT_EQ(at_once.token_count, 8u);
  ASSERT_EQ(last.first_position, 7u);
  EXPECT_EQ(at_once.residuals.size(), std::size_t{config().layer_count()} * config().hidden);
  expect_close(last.residuals, at_once.residuals, 1e-4f);
  expect_close(last.queries, std::span(at_once.queries).last(config().query_columns()), 1e-4f);
}

TEST_F(StepRecorderTest, RowsAreDistributionsOverEarlierPositionsForEveryCacheType) {
  std::vector<float> exact;
  for (const CacheType type : {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0, CacheType::kQ4_0}) {
    Session run = session(type);
    ObservedStep step;
    run.observe({.attention_layer = 1, .on_step = [&](const ObservedStep& s) { step = s; }});
    run.prefill(tokens(12));
    const std::uint32_t groups = run.grouping().groups(1), heads = config().query_heads;
    const auto keys = cached_keys(device(), run.cache(), 1, 12);
    const std::size_t columns = config().query_columns();
    for (std::uint32_t t = 0; t < 12; ++t) {
      const auto rows =
          attention_rows(config(), 1, groups, std::span(step.queries).subspan(t * columns, columns), keys, 12, t);
      ASSERT_EQ(rows.size(), std::size_t{heads} * (t + 1));
      for (std::uint32_t h = 0; h < heads; ++h) {
        const float sum = std::accumulate(rows.begin() + h * (t + 1), rows.begin() + (h + 1) * (t + 1), 0.0f);
        EXPECT_NEAR(sum, 1.0f, 1e-5f);
      }
      if (t != 11) continue;
      if (type == CacheType::kF32) exact = rows;
      for (std::size_t i = 0; i < rows.size(); ++i)
        EXPECT_NEAR(rows[i], exact[i], type == CacheType::kQ4_0 ? 0.3 : 0.03);
    }
  }
}

// Head h reads group floor(h G / H): keys of the other groups must not matter.
TEST(AttentionRowsTest, ReadsTheKeysOfTheHeadsGroupWithinTheWindow) {
  ModelConfig config;
  config.query_heads = 4;
  config.head_dim = 2;
  config.attention_scale = 1.0f;
  config.layers = {LayerConfig{.kv_heads = 2, .window = 2}};
  const std::vector<float> query = {1, 0, 0, 1, 1, 0, 0, 1};
  // Group 0 has keys (j, 0), group 1 has keys (0, 2 j); three positions.
  const std::vector<float> keys = {0, 0, 1, 0, 2, 0, 0, 0, 0, 2, 0, 4};
  const auto rows = attention_rows(config, 0, 2, query, keys, 3, 2);
  const auto sigmoid = [](float x) { return 1.0f / (1.0f + std::exp(-x)); };
  const std::vector<float> expected = {0, sigmoid(-1), sigmoid(1), 0, 0.5f,        0.5f,
                                       0, 0.5f,        0.5f,       0, sigmoid(-2), sigmoid(2)};
  ASSERT_EQ(rows.size(), expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(rows[i], expected[i], 1e-6f) << i;
}

TEST_F(StepRecorderTest, RefusesALayerThatTheModelDoesNotHave) {
  Session run = session();
  EXPECT_THROW(run.observe({.attention_layer = config().layer_count(), .on_step = [](const ObservedStep&) {}}), Error);
}

}  // namespace
}  // namespace regroup::test
