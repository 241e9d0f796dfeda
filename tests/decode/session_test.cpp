// Sessions on the bundled model: token by token equals prefill at once, cache types, regrouping in the middle, limits,
// interruption.
#include "runtime/decode/session.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "runtime/core/error.h"
#include "runtime/decode/generate.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

std::vector<std::uint32_t> some_tokens(std::uint32_t count) {
  std::vector<std::uint32_t> tokens(count);
  for (std::uint32_t i = 0; i < count; ++i) tokens[i] = (i * 97 + 13) % 2048;
  return tokens;
}

float largest_difference(std::span<const float> a, std::span<const float> b) {
  float worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

class SessionTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    loaded_ = load_model(device(), kernel_profile(device()), bundled_model());
  }
  const Model& model() { return *loaded_->model; }
  Session session(SessionOptions options = {.context = 128, .cache_type = CacheType::kF32}) {
    return Session(model(), *loaded_->grouping, options);
  }
  Grouping grouping(std::uint32_t g) {
    return Grouping(model(), GroupPlan::contiguous(model().config(), {g}, PoolMethod::kMean));
  }
  std::optional<LoadedModel> loaded_;
};

TEST_F(SessionTest, TokenByTokenEqualsPrefillAtOnce) {
  const auto tokens = some_tokens(40);
  Session whole = session();
  whole.prefill(tokens);
  Session pieces = session({.context = 128, .cache_type = CacheType::kF32, .prefill_chunk = 7});
  pieces.prefill(tokens);
  Session single = session();
  for (const std::uint32_t token : tokens) single.prefill({&token, 1});
  EXPECT_LT(largest_difference(whole.last_logits(), single.last_logits()), 1e-3f);
  EXPECT_LT(largest_difference(whole.last_logits(), pieces.last_logits()), 1e-3f);
}

TEST_F(SessionTest, DecodingContinuesWhatPrefillWouldCompute) {
  auto tokens = some_tokens(20);
  Session decoding = session();
  DecodedToken token = decoding.prefill(tokens);
  for (int i = 0; i < 12; ++i) {
    tokens.push_back(token.id);
    token = decoding.decode();
  }
  EXPECT_EQ(decoding.tokens(), tokens);
  Session again = session();
  EXPECT_EQ(again.prefill(tokens).id, token.id);
  EXPECT_LT(largest_difference(again.last_logits(), decoding.last_logits()), 1e-3f);
}

TEST_F(SessionTest, QuantisedCachesStayClose) {
  const auto tokens = some_tokens(40);
  Session exact = session();
  exact.prefill(tokens);
  const auto expected = exact.last_logits();
  const auto [low, high] = std::minmax_element(expected.begin(), expected.end());
  const std::pair<CacheType, float> types[] = {
      {CacheType::kF16, 0.005f}, {CacheType::kQ8_0, 0.02f}, {CacheType::kQ4_0, 0.3f}};
  for (const auto& [type, share] : types) {
    Session other = session({.context = 128, .cache_type = type});
    other.prefill(tokens);
    EXPECT_LT(largest_difference(expected, other.last_logits()), share * (*high - *low)) << cache_type_name(type);
    EXPECT_EQ(other.cache().bytes(),
              128 * kv_bytes_per_token(model().config(), std::vector<std::uint32_t>(4, 8), type));
  }
}

TEST_F(SessionTest, EveryGRuns) {
  for (const std::uint32_t g : possible_groups(model().config())) {
    const Grouping pooled = grouping(g);
    Session grouped(model(), pooled, {.context = 64});
    grouped.prefill(some_tokens(9));
    for (int i = 0; i < 4; ++i) grouped.decode();
    const auto logits = grouped.last_logits();
    EXPECT_TRUE(std::all_of(logits.begin(), logits.end(), [](float v) { return std::isfinite(v); }));
    EXPECT_EQ(grouped.cache().bytes(), 64u * 4 * 2 * g * 32 * 2);
  }
}

TEST_F(SessionTest, ReprefillAfterRegroupingEqualsStartingWithThatGrouping) {
  const auto tokens = some_tokens(30);
  const Grouping two = grouping(2);
  Session fresh(model(), two, {.context = 128, .cache_type = CacheType::kF32});
  const auto expected = fresh.prefill(tokens);
  const auto expected_next = fresh.decode();

  Session switched = session();
  const auto head = std::span(tokens).first(29);
  switched.prefill(head);
  switched.regroup(two, RegroupMode::kReprefill);
  const auto chosen = switched.prefill(std::span(tokens).last(1));
  EXPECT_EQ(chosen.id, expected.id);
  EXPECT_EQ(switched.decode().id, expected_next.id);
  EXPECT_LT(largest_difference(fresh.last_logits(), switched.last_logits()), 1e-3f);
}

TEST_F(SessionTest, PoolingTheCacheGoesOnDecoding) {
  const Grouping four = grouping(4), two = grouping(2);
  Session stepwise = session();
  stepwise.prefill(some_tokens(20));
  stepwise.regroup(four, RegroupMode::kPoolCache);
  stepwise.regroup(two, RegroupMode::kPoolCache);
  stepwise.decode();
  Session at_once = session();
  at_once.prefill(some_tokens(20));
  at_once.regroup(two, RegroupMode::kPoolCache);
  at_once.decode();
  // Switching G twice is switching once: the mean of means of equal groups.
  EXPECT_LT(largest_difference(stepwise.last_logits(), at_once.last_logits()), 1e-3f);
  EXPECT_EQ(stepwise.position(), 21u);
}

TEST_F(SessionTest, RefusesWhatDoesNotFit) {
  Session small = session({.context = 32});
  const auto expect_usage = [](const auto& work) {
    try {
      work();
      ADD_FAILURE() << "not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage) << error.what();
    }
  };
  expect_usage([&] { small.prefill(some_tokens(33)); });
  expect_usage([&] { small.prefill({}); });
  const std::uint32_t outside = 2048;
  expect_usage([&] { small.prefill({&outside, 1}); });
  expect_usage([&] { GroupPlan::contiguous(model().config(), {3}, PoolMethod::kMean); });
  small.prefill(some_tokens(32));
  expect_usage([&] { small.decode(); });
}

TEST_F(SessionTest, InterruptionLeavesTheSessionUsable) {
  Session interrupted = session();
  CancelFlag cancel{true};
  EXPECT_THROW(interrupted.prefill(some_tokens(40), &cancel), Error);
  EXPECT_EQ(interrupted.position(), 0u);
  Session untouched = session();
  EXPECT_EQ(interrupted.prefill(some_tokens(40)).id, untouched.prefill(some_tokens(40)).id);
}

TEST_F(SessionTest, SameSeedSameText) {
  const auto run = [&](std::uint64_t seed) {
    Session sampled =
        session({.context = 128, .sampling = {.temperature = 1.0f, .top_k = 50, .top_p = 0.95f, .seed = seed}});
    return generate(sampled, nullptr, some_tokens(5), {.max_tokens = 24}).tokens;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

}  // namespace
}  // namespace regroup::test
