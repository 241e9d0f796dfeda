// The choice of the next token: greedy and sampled, on the device in every profile, against the host and a
// double-precision reference.
#include "runtime/ops/sampling.h"

#include <bit>
#include <limits>

#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

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
  static constexpr std::uint32_t kHistoryWords = 40;

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
    set_history(state, expected);
    for (std::uint32_t step = 0; step < kHistoryWords; ++step) {
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

}  // namespace
}  // namespace regroup::test
