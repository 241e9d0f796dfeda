// A batch of N sequences is N sessions, token for token: prompts of different lengths, seeds, ends at different times,
// pooled or not, in every kernel family.
#include "runtime/decode/batch.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/decode/sample_sequences.h"
#include "runtime/decode/session.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

constexpr std::uint32_t kContext = 64;
// Caches are of f32 here: a product over several tokens rounds otherwise than one over one, and the rounding of a
// smaller cache type makes visible differences of that.

struct Request {
  std::vector<std::uint32_t> prompt;
  SamplingSettings sampling;
  std::uint32_t tokens = 0;  // to generate
};

std::vector<std::uint32_t> some_tokens(std::uint32_t count, std::uint32_t seed) {
  std::vector<std::uint32_t> tokens(count);
  for (std::uint32_t i = 0; i < count; ++i) tokens[i] = (i * 97 + seed * 131 + 13) % 2048;
  return tokens;
}

// Greedy and drawn with and without filters and penalty; lengths from one token to several chunks.
std::vector<Request> requests() {
  return {
      {some_tokens(5, 1), {}, 8},
      {some_tokens(1, 2), {.temperature = 1.0f, .seed = 7}, 6},
      {some_tokens(19, 3), {.temperature = 0.9f, .top_k = 40, .top_p = 0.9f, .seed = 8}, 8},
      {some_tokens(8, 4), {.repeat_penalty = 1.3f}, 3},
      {some_tokens(2, 5), {.temperature = 1.0f, .min_p = 0.05f, .repeat_penalty = 1.1f, .seed = 9}, 8},
  };
}

std::vector<std::uint32_t> alone(const Model& model, const Grouping& grouping, CacheType type, const Request& request) {
  Session session(model, grouping,
                  {.context = kContext, .cache_type = type, .prefill_chunk = 8, .sampling = request.sampling});
  std::vector<std::uint32_t> tokens = {session.prefill(request.prompt).id};
  while (tokens.size() < request.tokens) tokens.push_back(session.decode().id);
  return tokens;
}

// All requests at once, each stopped when it has its tokens.
std::vector<std::vector<std::uint32_t>> together(Batch& batch, const std::vector<Request>& requests) {
  std::vector<std::vector<std::uint32_t>> tokens(requests.size());
  for (std::uint32_t s = 0; s < requests.size(); ++s) batch.start(s, requests[s].prompt, requests[s].sampling);
  while (batch.active_count() > 0) {
    const auto chosen = batch.decode();
    for (std::uint32_t s = 0; s < requests.size(); ++s) {
      EXPECT_EQ(chosen[s].has_value(), batch.active(s));
      if (!chosen[s]) continue;
      tokens[s].push_back(chosen[s]->id);
      if (tokens[s].size() == requests[s].tokens) batch.stop(s);
    }
  }
  return tokens;
}

class BatchTest : public DeviceTest {
 protected:
  LoadedModel load(const KernelProfile& profile) { return load_model(device(), profile, bundled_model()); }
};

TEST_F(BatchTest, IsNSessionsInEveryKernelFamily) {
  for (const std::string& name : runnable_profiles(device())) {
    const LoadedModel loaded = load(kernel_profile_named(device(), name));
    Batch batch(*loaded.model, *loaded.grouping,
                {.sequences = 5, .context = kContext, .cache_type = CacheType::kF32, .prefill_chunk = 8});
    const auto tokens = together(batch, requests());
    for (std::uint32_t s = 0; s < 5; ++s) {
      EXPECT_EQ(tokens[s], alone(*loaded.model, *loaded.grouping, CacheType::kF32, requests()[s]))
          << name << ", sequence " << s;
    }
  }
}

TEST_F(BatchTest, IsNSessionsWhateverG) {
  const LoadedModel loaded = load(kernel_profile(device()));
  const std::pair<std::uint32_t, CacheType> settings[] = {
      {8, CacheType::kF16}, {4, CacheType::kF32}, {1, CacheType::kF32}};
  for (const auto& [g, type] : settings) {
    const Grouping pooled(*loaded.model, GroupPlan::contiguous(loaded.model->config(), {g}, PoolMethod::kMean));
    Batch batch(*loaded.model, pooled, {.sequences = 5, .context = kContext, .cache_type = type, .prefill_chunk = 8});
    const auto tokens = together(batch, requests());
    for (std::uint32_t s = 0; s < 5; ++s) {
      EXPECT_EQ(tokens[s], alone(*loaded.model, pooled, type, requests()[s]))
          << "G " << g << " " << cache_type_name(type) << ", sequence " << s;
    }
  }
}

TEST_F(BatchTest, SlotsCanBeUsedAgainWhileOthersGoOn) {
  const LoadedModel loaded = load(kernel_profile(device()));
  const auto all = requests();
  Batch batch(*loaded.model, *loaded.grouping,
              {.sequences = 2, .context = kContext, .cache_type = CacheType::kF32, .prefill_chunk = 8});
  batch.start(0, all[0].prompt, all[0].sampling);
  batch.start(1, all[3].prompt, all[3].sampling);
  std::vector<std::uint32_t> first, second;
  for (int i = 0; i < 3; ++i) first.push_back(batch.decode()[0]->id);
  batch.start(1, all[2].prompt, all[2].sampling);
  for (int i = 3; i < 8; ++i) {
    const auto chosen = batch.decode();
    first.push_back(chosen[0]->id);
    second.push_back(chosen[1]->id);
  }
  batch.stop(0);
  for (int i = 5; i < 8; ++i) {
    const auto chosen = batch.decode();
    EXPECT_FALSE(chosen[0].has_value());
    second.push_back(chosen[1]->id);
  }
  EXPECT_EQ(first, alone(*loaded.model, *loaded.grouping, CacheType::kF32, all[0]));
  EXPECT_EQ(second, alone(*loaded.model, *loaded.grouping, CacheType::kF32, all[2]));
}

TEST_F(BatchTest, LogitsAreThoseOfASession) {
  const LoadedModel loaded = load(kernel_profile(device()));
  Batch batch(*loaded.model, *loaded.grouping, {.sequences = 3, .context = kContext, .cache_type = CacheType::kF32});
  for (std::uint32_t s = 0; s < 3; ++s) batch.start(s, some_tokens(4 + 9 * s, s), {});
  batch.decode();
  for (std::uint32_t s = 0; s < 3; ++s) {
    Session session(*loaded.model, *loaded.grouping, {.context = kContext, .cache_type = CacheType::kF32});
    session.prefill(some_tokens(4 + 9 * s, s));
    const auto expected = session.last_logits(), got = batch.logits(s);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-3) << s << ", " << i;
  }
}

TEST_F(BatchTest, RefusesWhatDoesNotFit) {
  const LoadedModel loaded = load(kernel_profile(device()));
  Batch batch(*loaded.model, *loaded.grouping, {.sequences = 2, .context = 32});
  const auto expect_usage = [](const auto& work) {
    try {
      work();
      ADD_FAILURE() << "not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage) << error.what();
    }
  };
  expect_usage([&] { batch.start(0, some_tokens(33, 1), {}); });
  expect_usage([&] { batch.start(0, {}, {}); });
  const std::uint32_t outside = 2048;
  expect_usage([&] { batch.start(0, {&outside, 1}, {}); });
  batch.start(0, some_tokens(31, 1), {});
  batch.start(1, some_tokens(3, 1), {});
  batch.decode();
  batch.decode();
  EXPECT_TRUE(batch.is_full(0));
  expect_usage([&] { batch.decode(); });
  batch.stop(0);
  EXPECT_TRUE(batch.decode()[1].has_value());
}

TEST_F(BatchTest, SampledTextDoesNotDependOnHowManyAreDrawnAtOnce) {
  const LoadedModel loaded = load(kernel_profile(device()));
  SequenceSampling sampling{.count = 5, .length = 10, .first_token = 300, .seed = 3, .at_once = 2};
  sampling.cache_type = CacheType::kF32;
  double last = 0;
  const auto two =
      sample_sequences(*loaded.model, *loaded.grouping, sampling, nullptr, [&](std::string_view, double share) {
        EXPECT_GT(share, last);
        last = share;
      });
  EXPECT_NEAR(last, 1.0, 1e-9);
  sampling.at_once = 8;
  EXPECT_EQ(sample_sequences(*loaded.model, *loaded.grouping, sampling), two);
  ASSERT_EQ(two.size(), 5u);
  for (std::uint32_t s = 0; s < 5; ++s) {
    EXPECT_EQ(two[s].size(), 10u);
    EXPECT_EQ(two[s].front(), 300u);
    const Request same{{300}, {.temperature = 1.0f, .seed = 3u + s}, 9};
    const auto tokens = alone(*loaded.model, *loaded.grouping, CacheType::kF32, same);
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), two[s].begin() + 1)) << s;
  }
  CancelFlag cancel{true};
  EXPECT_THROW(sample_sequences(*loaded.model, *loaded.grouping, sampling, &cancel), Error);
}

}  // namespace
}  // namespace regroup::test
