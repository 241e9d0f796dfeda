// Greedy text of the bundled model, recorded where transformers and this program agreed (tests/tools/make_golden.py),
// in every grouping, kernel family and under the minimum of features.
#include <algorithm>
#include <cmath>
#include <fstream>

#include "runtime/core/json.h"
#include "runtime/decode/generate.h"
#include "runtime/decode/load_tokenizer.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

// One recorded file.
struct Golden {
  std::string name, prompt, text;
  std::uint32_t groups = 0;
  std::vector<std::uint32_t> prompt_tokens, tokens;
  std::vector<double> leads;  // of each token's logit over the runner-up
  double close = 0;           // a smaller lead may be lost to rounding
  std::size_t checked = 0;    // steps before the first close one
};

std::vector<Golden> goldens() {
  std::vector<Golden> list;
  for (const auto& entry : std::filesystem::directory_iterator(source_path("tests/data/golden"))) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream in(entry.path());
    const auto json = nlohmann::json::parse(in);
    list.push_back({.name = entry.path().filename().string(),
                    .prompt = json["prompt"],
                    .text = json["text"],
                    .groups = json["groups"],
                    .prompt_tokens = json["prompt_tokens"],
                    .tokens = json["tokens"],
                    .leads = json["leads"],
                    .close = json["close"],
                    .checked = json["checked"]});
  }
  std::sort(list.begin(), list.end(), [](const Golden& a, const Golden& b) { return a.name < b.name; });
  return list;
}

class GoldenTest : public DeviceTest {
 protected:
  // `only`: names of the records to compare; empty: all.
  void check(Device& device, const KernelProfile& profile, CacheType type, const std::vector<std::string>& only = {}) {
    SCOPED_TRACE(std::string(profile.name) + " " + std::string(cache_type_name(type)));
    const LoadedModel loaded = load_model(device, profile, bundled_model());
    const auto tokenizer = load_tokenizer(loaded.file, loaded.model->config().vocabulary);
    ASSERT_TRUE(tokenizer);
    std::size_t compared = 0;
    for (const Golden& golden : goldens()) {
      if (!only.empty() && std::find(only.begin(), only.end(), golden.name) == only.end()) continue;
      ++compared;
      SCOPED_TRACE(golden.name);
      const Grouping grouping(*loaded.model,
                              GroupPlan::contiguous(loaded.model->config(), {golden.groups}, PoolMethod::kMean));
      Session session(*loaded.model, grouping, {.context = 96, .cache_type = type, .prefill_chunk = 64});
      check_text(session, *tokenizer, golden);
      session.rewind(0);
      check_every_clear_step(session, golden);
    }
    EXPECT_EQ(compared, only.empty() ? 8u : only.size());
  }

 private:
  // Token by token, as a user would run it.
  static void check_text(Session& session, const Tokenizer& tokenizer, const Golden& golden) {
    EXPECT_EQ(tokenizer.encode(golden.prompt), golden.prompt_tokens);
    const auto result =
        generate(session, &tokenizer, golden.prompt_tokens, {.max_tokens = static_cast<std::uint32_t>(golden.checked)});
    EXPECT_EQ(result.tokens, std::vector(golden.tokens.begin(), golden.tokens.begin() + golden.checked));
    EXPECT_EQ(result.text, golden.text);
  }
  // Given the recorded tokens, the likeliest next one wherever the lead is clear: all steps, also past a close one.
  static void check_every_clear_step(Session& session, const Golden& golden) {
    std::vector<std::uint32_t> fed = golden.prompt_tokens;
    fed.insert(fed.end(), golden.tokens.begin(), golden.tokens.end() - 1);
    const std::vector<float> logits = logits_of(session, fed);
    const std::size_t vocabulary = logits.size() / fed.size();
    for (std::size_t step = 0; step < golden.tokens.size(); ++step) {
      if (golden.leads[step] < golden.close) continue;
      const std::size_t row = golden.prompt_tokens.size() - 1 + step;
      const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(row * vocabulary);
      const auto best = std::max_element(begin, begin + static_cast<std::ptrdiff_t>(vocabulary));
      EXPECT_EQ(static_cast<std::uint32_t>(best - begin), golden.tokens[step]) << "step " << step;
      // The lead itself is the reference's, too.
      float second = -INFINITY;
      for (auto it = begin; it != begin + static_cast<std::ptrdiff_t>(vocabulary); ++it) {
        if (it != best) second = std::max(second, *it);
      }
      EXPECT_NEAR(*best - second, golden.leads[step], 0.05) << "step " << step;
    }
  }
};

TEST_F(GoldenTest, RecordsHoldWhatTheySay) {
  const auto list = goldens();
  ASSERT_EQ(list.size(), 8u);  // two prompts, G = 8, 4, 2, 1
  std::size_t clear = 0;
  for (const Golden& golden : list) {
    ASSERT_EQ(golden.tokens.size(), 48u);
    ASSERT_EQ(golden.leads.size(), 48u);
    EXPECT_GT(golden.checked, 0u);
    for (std::size_t i = 0; i < golden.checked; ++i) EXPECT_GE(golden.leads[i], golden.close);
    clear += static_cast<std::size_t>(
        std::count_if(golden.leads.begin(), golden.leads.end(), [&](double lead) { return lead >= golden.close; }));
  }
  EXPECT_GT(clear, 8u * 24);
}

TEST_F(GoldenTest, TheDevicesOwnKernels) {
  check(device(), kernel_profile(device()), CacheType::kF32);
}

// Ungrouped and grouped, the shorter records: kernels for other devices are slow on a test driver.
const std::vector<std::string>& short_records() {
  static const std::vector<std::string> names = {"child-8.json", "child-2.json"};
  return names;
}

TEST_F(GoldenTest, HalfPrecisionCache) {
  check(device(), kernel_profile(device()), CacheType::kF16, short_records());
}

TEST_F(GoldenTest, EveryOtherKernelFamily) {
  for (const std::string& name : runnable_profiles(device())) {
    if (name == kernel_profile(device()).name) continue;
    check(device(), kernel_profile_named(device(), name), CacheType::kF32, short_records());
  }
}

// Under every row of the matrix (cmake/RegisterSuites.cmake): the device's own kernels for the features it has there.
class MatrixTest : public GoldenTest {};

TEST_F(MatrixTest, TheTextIsTheSame) {
  check(device(), kernel_profile(device()), CacheType::kF16, short_records());
}

TEST_F(GoldenTest, MinimumFeatures) {
  Device& floor = shared_device("minimum");
  check(floor, kernel_profile(floor), CacheType::kF32, short_records());
}

}  // namespace
}  // namespace regroup::test
