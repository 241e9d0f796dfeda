// The choice of the next token, greedy and sampled, on the device in every profile: equal to the host's choice, with
// the probability that a double-precision reference gives.
#include "runtime/ops/sampling.h"

#include <bit>
#include <limits>
#include <map>
#include <numeric>

#include "runtime/ops/sampling_weight.h"
#include "runtime/selftest/reference/sampling.h"
#include "shaders/sampling/scratch.h"
#include "tests/ops/sampling_cases.h"

namespace regroup::test {
namespace {

// The vocabularies: smaller than a texel row, odd, a power of two, SmolLM2's, and Gemma's with a remainder.
constexpr std::uint32_t kVocabularies[] = {7, 101, 2048, 49152, 262145};

struct Chosen {
  std::uint32_t token;
  float probability;
  float largest;
  bool not_finite;
};

class SamplingDeviceTest : public ProfileTest {
 protected:
  static constexpr std::uint32_t kHistoryWords = 300;

  // The buffers of one decode; made anew for each vocabulary.
  struct State {
    std::uint32_t vocabulary;
    Buffer& logits;
    Buffer& tokens;
    Buffer& positions;
    Buffer& history;
    Buffer& chosen;
    Buffer& scratch;
  };
  // The row of logits starts at this element.
  static constexpr std::uint32_t kOffset = 8;

  State make_state(std::uint32_t vocabulary) {
    return {.vocabulary = vocabulary,
            .logits = arena_.buffer((kOffset + vocabulary) * 4, "logits"),
            .tokens = arena_.buffer(4, "tokens"),
            .positions = arena_.buffer(4, "positions"),
            .history = arena_.buffer(kHistoryWords * 4, "history"),
            .chosen = arena_.buffer(16, "chosen"),
            .scratch = arena_.buffer(sampling_scratch_bytes(device(), vocabulary), "scratch")};
  }
  Sample sample(const State& state, const SamplingSettings& settings = {}) {
    return {.logits = {state.logits, kOffset, 0},
            .vocabulary = state.vocabulary,
            .tokens = state.tokens,
            .positions = state.positions,
            .history = state.history,
            .chosen = state.chosen,
            .scratch = state.scratch,
            .settings = settings};
  }
  // Puts a row between values that would win if they were read.
  void set_logits(const State& state, std::span<const float> row) {
    std::vector<float> all(state.logits.size_bytes() / 4, kInfinity);
    std::copy(row.begin(), row.end(), all.begin() + kOffset);
    upload_values<float>(device(), state.logits, all);
  }
  void set_history(const State& state, std::span<const std::uint32_t> tokens) {
    const std::uint32_t last = static_cast<std::uint32_t>(tokens.size()) - 1;
    upload_values<std::uint32_t>(device(), state.history, tokens);
    upload_values<std::uint32_t>(device(), state.tokens, std::span(&tokens[last], 1));
    upload_values<std::uint32_t>(device(), state.positions, std::span(&last, 1));
  }
  std::vector<std::uint32_t> words(const Buffer& buffer, std::size_t count) {
    return download_values<std::uint32_t>(device(), buffer, count);
  }
  // The ids that the last choice was made among, from the cutoff that it left in the scratch buffer.
  std::vector<std::uint32_t> candidates(const State& state, std::span<const float> row) {
    const auto header = words(state.scratch, shader::kHeaderWords);
    const std::uint32_t cutoff_key = header[shader::kCutoffKeyWord], cutoff_id = header[shader::kCutoffIdWord];
    std::vector<std::uint32_t> ids;
    for (std::uint32_t id = 0; id < row.size(); ++id) {
      const std::uint32_t key = order_key(row[id]);
      if (key > cutoff_key || (key == cutoff_key && id <= cutoff_id)) ids.push_back(id);
    }
    return ids;
  }
  Chosen chosen(const State& state) {
    const auto found = words(state.chosen, 4);
    return {found[0], std::bit_cast<float>(found[1]), std::bit_cast<float>(found[2]), found[3] != 0};
  }
};

double greedy_probability(std::span<const float> row) {
  const double largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float logit : row) sum += std::exp(logit - largest);
  return 1 / sum;
}

TEST_F(SamplingDeviceTest, GreedyTakesTheLargestLogit) {
  for (const std::uint32_t vocabulary : kVocabularies) {
    const State state = make_state(vocabulary);
    for (const KernelProfile& profile : profiles()) {
      SCOPED_TRACE(fmt::format("{} vocabulary {}", profile.name, vocabulary));
      CommandList list(device());
      record(list, profile, sample(state));
      for (std::uint32_t round = 0; round < 4; ++round) {
        std::vector<float> row = noise(vocabulary, vocabulary + round, 3.0f);
        if (round == 1) {  // many equal values: the lowest id wins
          for (float& logit : row) logit = std::clamp(std::round(logit), -4.0f, 4.0f);
        }
        if (round == 2) std::fill(row.begin(), row.end(), -2.5f);
        if (round == 3) row[vocabulary - 1] = 80.0f;
        set_logits(state, row);
        set_history(state, std::vector<std::uint32_t>{5, 6});
        list.run();
        const auto expected = static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin());
        const Chosen found = chosen(state);
        EXPECT_EQ(found.token, expected);
        EXPECT_EQ(found.largest, row[expected]);
        EXPECT_NEAR(found.probability / greedy_probability(row), 1.0, 3e-5);
        EXPECT_FALSE(found.not_finite);
        EXPECT_EQ(words(state.tokens, 1)[0], expected);
        EXPECT_EQ(words(state.positions, 1)[0], 2u);
        EXPECT_EQ(words(state.history, 3), (std::vector<std::uint32_t>{5, 6, expected}));
      }
    }
  }
}

TEST_F(SamplingDeviceTest, GreedyTellsOfNansAndInfinities) {
  const State state = make_state(2048);
  for (const KernelProfile& profile : profiles()) {
    SCOPED_TRACE(profile.name);
    CommandList list(device());
    record(list, profile, sample(state));
    const auto choose = [&](std::vector<float> row) {
      set_logits(state, row);
      set_history(state, std::vector<std::uint32_t>{0});
      list.run();
      return chosen(state);
    };
    for (const std::uint32_t place : {0u, 1u, 1023u, 2047u}) {
      std::vector<float> row = noise(2048, place);
      row[700] = 90.0f;
      row[place] = kNan;
      const Chosen with_nan = choose(row);
      EXPECT_TRUE(with_nan.not_finite);
      EXPECT_EQ(with_nan.token, 700u);
      row[place] = -kInfinity;
      const Chosen with_low = choose(row);
      EXPECT_TRUE(with_low.not_finite);
      EXPECT_EQ(with_low.token, 700u);
      row[place] = kInfinity;
      const Chosen with_high = choose(row);
      EXPECT_TRUE(with_high.not_finite);
      EXPECT_EQ(with_high.token, place);
    }
    const Chosen nothing = choose(std::vector<float>(2048, kNan));
    EXPECT_TRUE(nothing.not_finite);
    EXPECT_EQ(nothing.token, 0u);
  }
}

TEST_F(SamplingDeviceTest, GreedyListRunsAgainAndStaysInsideTheHistory) {
  const State state = make_state(101);
  for (const KernelProfile& profile : profiles()) {
    SCOPED_TRACE(profile.name);
    CommandList list(device());
    record(list, profile, sample(state));
    std::vector<std::uint32_t> expected = {3, 1, 4};
    std::vector<std::uint32_t> long_history(kHistoryWords - 20, 9u);
    long_history.insert(long_history.end(), expected.begin(), expected.end());
    expected = long_history;
    set_history(state, expected);
    for (std::uint32_t step = 0; step < 30; ++step) {
      std::vector<float> row = noise(101, step, 0.1f);
      row[(step * 37 + 11) % 101] = 5.0f;
      set_logits(state, row);
      list.run();
      expected.push_back((step * 37 + 11) % 101);
      ASSERT_EQ(words(state.tokens, 1)[0], expected.back());
      ASSERT_EQ(words(state.positions, 1)[0], expected.size() - 1);
    }
    expected.resize(kHistoryWords);
    EXPECT_EQ(words(state.history, kHistoryWords), expected);
  }
}

// Everything on small vocabularies; on large ones, where a run costs milliseconds, each kind of filter once.
bool worth_running(std::uint32_t vocabulary, Row kind, const SamplingSettings& settings) {
  if (vocabulary <= 2048) return true;
  const bool top_p_alone = settings.top_k == 0 && settings.top_p > 0 && settings.top_p < 1 && settings.min_p == 0;
  if (kind != Row::kNoise) return top_p_alone;
  return vocabulary < 100000 || top_p_alone || settings.seed == 1 || settings.top_k == 40;
}

TEST_F(SamplingDeviceTest, SampledChoiceEqualsTheHosts) {
  for (const std::uint32_t vocabulary : kVocabularies) {
    const State state = make_state(vocabulary);
    const std::uint32_t steps = vocabulary <= 2048 ? 4 : 2;
    for (const Row kind : {Row::kNoise, Row::kTies, Row::kFlat}) {
      const std::vector<float> row = make_row(kind, vocabulary, vocabulary);
      const std::vector<double> exact(row.begin(), row.end());
      set_logits(state, row);
      for (const SamplingSettings& settings : kSettings) {
        if (!worth_running(vocabulary, kind, settings)) continue;
        const auto ids = sampling_candidates(row, {}, settings);
        const auto probabilities = reference::probabilities(exact, ids, settings.temperature);
        std::vector<std::uint32_t> expected = {1};
        for (std::uint32_t step = 0; step < steps; ++step) {
          expected.push_back(sample_on_host(row, {}, step, settings));
        }
        for (const KernelProfile& profile : profiles()) {
          if (profile.name == "gpu-subgroup") continue;  // its kernels are those of gpu-shared
          SCOPED_TRACE(fmt::format("{} vocabulary {} row {} {}", profile.name, vocabulary, static_cast<int>(kind),
                                   describe(settings)));
          CommandList list(device());
          record(list, profile, sample(state, settings));
          set_history(state, std::vector<std::uint32_t>{1});
          for (std::uint32_t step = 0; step < steps; ++step) list.run();
          ASSERT_EQ(words(state.history, expected.size()), expected);
          ASSERT_EQ(words(state.positions, 1)[0], steps);
          ASSERT_EQ(words(state.tokens, 1)[0], expected.back());
          ASSERT_EQ(candidates(state, row), ids);
          const Chosen found = chosen(state);
          EXPECT_FALSE(found.not_finite);
          EXPECT_EQ(found.largest, *std::max_element(row.begin(), row.end()));
          ASSERT_EQ(found.token, expected.back());
          const auto place = std::lower_bound(ids.begin(), ids.end(), found.token) - ids.begin();
          EXPECT_NEAR(found.probability / probabilities[static_cast<std::size_t>(place)], 1.0, 1e-3);
        }
      }
    }
  }
}

TEST_F(SamplingDeviceTest, PenaltyTakesEachRecentTokenOnce) {
  const State state = make_state(101);
  const std::vector<float> row = noise(101, 3, 2.0f);
  // Repeated tokens, no tokens, and tokens that only a longer window reaches.
  std::vector<std::uint32_t> history = {50, 51, 52, 7, 7, 9, 100, 0xffffffffu, 101, 7, 0, 9};
  for (std::uint32_t i = 0; i < 100; ++i) history.push_back(20 + i % 4);
  for (const KernelProfile& profile : profiles()) {
    for (const std::uint32_t last : {1u, 3u, 64u, 105u, 5000u}) {
      for (const float temperature : {0.0f, 1.0f}) {
        SCOPED_TRACE(fmt::format("{} last {} temperature {}", profile.name, last, temperature));
        const SamplingSettings settings{
            .temperature = temperature, .top_k = 20, .repeat_penalty = 1.7f, .repeat_last = last, .seed = last};
        set_logits(state, row);
        set_history(state, history);
        run(profile, sample(state, settings));
        const auto window = std::span(history).last(std::min<std::size_t>(last, history.size()));
        const auto expected = reference::penalised(row, window, 1.7);
        const std::vector<float> all = floats(state.logits, kOffset + 101);
        EXPECT_LE(worst_error(std::span(all).subspan(kOffset), expected, 0, 2e-7), 1.0);
        EXPECT_EQ(chosen(state).token, sample_on_host(row, history, history.size() - 1, settings));
        EXPECT_EQ(words(state.history, history.size() + 1).back(), chosen(state).token);
      }
    }
  }
}

TEST_F(SamplingDeviceTest, SampledChoiceSurvivesNansAndInfinities) {
  const State state = make_state(2048);
  for (const KernelProfile& profile : profiles()) {
    for (const SamplingSettings& settings : {kSettings[0], kSettings[2], kSettings[3]}) {
      SCOPED_TRACE(fmt::format("{} {}", profile.name, describe(settings)));
      std::vector<float> row = noise(2048, 1);
      const auto choose = [&] {
        set_logits(state, row);
        set_history(state, std::vector<std::uint32_t>{0});
        run(profile, sample(state, settings));
        EXPECT_TRUE(chosen(state).not_finite);
        EXPECT_EQ(chosen(state).token, sample_on_host(row, {}, 0, settings));
        return chosen(state).token;
      };
      for (std::uint32_t i = 0; i < 2048; i += 2) row[i] = kNan;
      EXPECT_EQ(choose() % 2, 1u);
      row[99] = kInfinity;
      EXPECT_EQ(choose(), 99u);
      std::fill(row.begin(), row.end(), kNan);
      EXPECT_LT(choose(), 2048u);
    }
  }
}

TEST_F(SamplingDeviceTest, DrawsFollowTheDistribution) {
  constexpr std::uint32_t kDraws = kHistoryWords - 1;
  const State state = make_state(101);
  const std::vector<float> row = noise(101, 77, 0.8f);
  const std::vector<double> exact(row.begin(), row.end());
  set_logits(state, row);
  for (const SamplingSettings& settings : {kSettings[0], kSettings[2], kSettings[8]}) {
    CommandList list(device());
    record(list, kernel_profile(device()), sample(state, settings));
    set_history(state, std::vector<std::uint32_t>{0});
    for (std::uint32_t i = 0; i < kDraws; ++i) list.run();
    const auto history = words(state.history, kHistoryWords);
    std::map<std::uint32_t, std::uint32_t> drawn;
    for (std::uint32_t i = 1; i <= kDraws; ++i) ++drawn[history[i]];
    const auto ids = reference::candidates(exact, settings.top_k, settings.top_p, settings.min_p).ids;
    const auto probabilities = reference::probabilities(exact, ids, settings.temperature);
    std::uint32_t freedom = 0;
    const double found = chi_square(drawn, ids, probabilities, kDraws, freedom);
    EXPECT_LT(found, chi_square_limit(freedom)) << describe(settings);
    EXPECT_GE(freedom, 2u);
  }
}

}  // namespace
}  // namespace regroup::test
