// The choice of the next token: greedy, sampled through every filter, and with numbers that are none.
#include <algorithm>
#include <bit>
#include <limits>

#include "runtime/ops/sampling.h"
#include "runtime/selftest/check.h"
#include "runtime/selftest/sample_rows.h"

namespace regroup::selftest {
namespace {

constexpr std::uint32_t kVocabulary = 2050;

struct Choice {
  std::uint32_t token;
  float probability, largest;
  bool not_finite;
};

// One choice after the tokens of `history`, compared with the host's.
Choice check_choice(CheckRun& run, const std::vector<float>& row, const std::vector<std::uint32_t>& history,
                    const SamplingSettings& settings) {
  const auto last = static_cast<std::uint32_t>(history.size() - 1);
  std::vector<float> padded = row;
  padded.resize((row.size() + 3) / 4 * 4, std::numeric_limits<float>::infinity());  // would win if it were read
  std::vector<std::uint32_t> words = history;
  words.resize(history.size() + 2, 0xffffffffu);
  Buffer& tokens = run.upload(std::vector<std::uint32_t>{history.back()});
  Buffer& positions = run.upload(std::vector<std::uint32_t>{last});
  Buffer& history_buffer = run.upload(words);
  Buffer& chosen = run.upload(std::vector<std::uint32_t>(4, 0xffffffffu));
  run.run(Sample{.logits = {run.upload(padded), 0, 0},
                 .vocabulary = static_cast<std::uint32_t>(row.size()),
                 .tokens = BufferView(tokens, 0, 4),
                 .positions = BufferView(positions, 0, 4),
                 .history = BufferView(history_buffer, 0, words.size() * 4),
                 .chosen = chosen,
                 .scratch = run.arena().buffer(
                     sampling_scratch_bytes(run.device(), static_cast<std::uint32_t>(row.size())), "self-test"),
                 .settings = settings});
  const auto found = run.read<std::uint32_t>(chosen, 4);
  run.same(run.read<std::uint32_t>(tokens, 1)[0], found[0]);
  run.same(run.read<std::uint32_t>(positions, 1)[0], last + 1);
  run.same(run.read<std::uint32_t>(history_buffer, words.size())[last + 1], found[0]);
  return {found[0], std::bit_cast<float>(found[1]), std::bit_cast<float>(found[2]), found[3] != 0};
}

void check_greedy(CheckRun& run) {
  std::vector<float> row = noise(kVocabulary, 1, 3.0f);
  const auto best = [&] { return static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin()); };
  for (const std::uint32_t place : {0u, 1027u, kVocabulary - 1}) {
    row[place] = *std::max_element(row.begin(), row.end()) + 1;
    const Choice choice = check_choice(run, row, {5, 6}, {});
    run.same(choice.token, best());
    run.same(choice.largest, row[place]);
    double sum = 0;
    for (const float logit : row) sum += std::exp(double{logit} - row[place]);
    run.near(std::vector<float>{choice.probability}, std::vector<double>{1 / sum}, 0, 3e-5);
    run.same(choice.not_finite, false);
  }
  row[700] = std::numeric_limits<float>::quiet_NaN();
  run.same(check_choice(run, row, {5}, {}).not_finite, true);
  const std::vector<float> equal(kVocabulary, -2.5f);
  run.same(check_choice(run, equal, {5}, {}).token, 0u);
}

void check_sampled(CheckRun& run) {
  const std::vector<float> row = noise(kVocabulary, 2, 2.0f);
  const std::vector<std::uint32_t> history = {50, 51, 7, 7, 9, 2049, 0, 9};
  for (const SamplingSettings& settings :
       {SamplingSettings{.temperature = 1.0f, .seed = 1},
        SamplingSettings{.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .seed = 8},
        SamplingSettings{.temperature = 0.9f, .top_p = 0.9f, .repeat_penalty = 1.7f, .seed = 4},
        SamplingSettings{.temperature = 2.0f, .top_k = 5, .repeat_penalty = 1.1f, .repeat_last = 3, .seed = 9}}) {
    run.same(check_choice(run, row, history, settings).token,
             sample_on_host(row, history, history.size() - 1, settings));
  }
}

}  // namespace

void add_sampling_checks(std::vector<Check>& checks, const KernelNeeds&) {
  checks.push_back({"greedy choice", check_greedy});
  checks.push_back({"sampled choice", check_sampled});
}

}  // namespace regroup::selftest
