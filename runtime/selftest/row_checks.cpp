// Norms, gates and what else works on rows of activations or logits.
#include <algorithm>

#include "runtime/ops/compare_logits.h"
#include "runtime/ops/gated_activation.h"
#include "runtime/ops/rms_norm.h"
#include "runtime/ops/sampling.h"
#include "runtime/selftest/check.h"
#include "runtime/selftest/reference/gated_activation.h"
#include "runtime/selftest/reference/rms_norm.h"
#include "runtime/selftest/sample_rows.h"

namespace regroup::selftest {
namespace {

void check_norm(CheckRun& run, std::uint32_t tokens, std::uint32_t columns, bool accumulate) {
  const std::uint32_t packed = (columns + 3) / 4 * 4;
  const std::vector<float> x = noise(std::size_t{tokens} * packed, columns), gain = noise(columns, 5);
  const std::vector<float> before = noise(x.size(), 6);
  Buffer& y = run.upload(before);
  run.run(RmsNorm{.x = {run.upload(x), 0, packed},
                  .y = {y, 0, packed},
                  .gain = run.upload(gain),
                  .columns = columns,
                  .tokens = tokens,
                  .epsilon = 1e-5f,
                  .accumulate = accumulate});
  const std::vector<float> got = run.read<float>(y, x.size());
  for (std::uint32_t t = 0; t < tokens; ++t) {
    const std::size_t row = std::size_t{t} * packed;
    std::vector<double> expected = reference::rms_norm(std::span(x).subspan(row, columns), gain, 1e-5);
    for (std::uint32_t i = 0; accumulate && i < columns; ++i) expected[i] += before[row + i];
    run.near(std::span(got).subspan(row, columns), expected, 1e-6, 3e-6);
  }
}

void check_gate(CheckRun& run, GatedActivation activation) {
  constexpr std::uint32_t kTokens = 3, kColumns = 65, kStride = 68;
  std::vector<float> gate = noise(kTokens * kStride, 1, 2.0f);
  const std::vector<float> up = noise(kTokens * kStride, 2, 2.0f);
  std::copy_n(std::begin({-1e30f, -1000.0f, -90.0f, 0.0f, 90.0f, 1e30f}), 6, gate.begin());
  Buffer& y = run.upload(std::vector<float>(gate.size(), NAN));
  run.run(GatedProduct{.gate = {run.upload(gate), 0, kStride},
                       .up = {run.upload(up), 0, kStride},
                       .y = {y, 0, kStride},
                       .columns = kColumns,
                       .tokens = kTokens,
                       .activation = activation});
  const std::vector<float> got = run.read<float>(y, gate.size());
  for (std::uint32_t t = 0; t < kTokens; ++t) {
    std::vector<double> expected;
    for (std::uint32_t i = 0; i < kColumns; ++i) {
      const double z = gate[t * kStride + i];
      const double activated = activation == GatedActivation::kSilu ? reference::silu(z) : reference::gelu_tanh(z);
      expected.push_back(activated * up[t * kStride + i]);
    }
    run.near(std::span(got).subspan(std::size_t{t} * kStride, kColumns), expected, 1e-6, 5e-6);
  }
}

void check_soft_cap(CheckRun& run) {
  constexpr std::uint32_t kColumns = 577, kStride = 580;
  const std::vector<float> before = noise(2 * kStride, 1, 30.0f);
  Buffer& logits = run.upload(before);
  run.run(SoftCap{.logits = {logits, 0, kStride}, .columns = kColumns, .tokens = 2, .cap = 30.0f});
  const std::vector<float> got = run.read<float>(logits, before.size());
  for (std::size_t row = 0; row < before.size(); row += kStride) {
    std::vector<double> expected;
    for (std::uint32_t i = 0; i < kColumns; ++i) expected.push_back(30.0 * std::tanh(before[row + i] / 30.0));
    run.near(std::span(got).subspan(row, kColumns), expected, 1e-6, 2e-6);
  }
}

void check_comparison(CheckRun& run) {
  constexpr std::uint32_t kColumns = 577, kStride = 580, kRows = 2;
  const std::vector<float> baseline = noise(kRows * kStride, 1, 3.0f);
  std::vector<float> logits = noise(kRows * kStride, 2);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] += baseline[i];
  const std::vector<std::uint32_t> targets = {576, 3};
  Buffer& scores = run.upload(std::vector<float>(kRows * 8));
  run.run(CompareLogits{.baseline = {run.upload(baseline), 0, kStride},
                        .logits = {run.upload(logits), 0, kStride},
                        .targets = run.upload(targets),
                        .scores = scores,
                        .columns = kColumns,
                        .rows = kRows});
  const auto found = run.read<ComparedRow>(scores, kRows);
  const auto log_sum = [](std::span<const float> row) {
    const double most = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const float value : row) sum += std::exp(value - most);
    return most + std::log(sum);
  };
  for (std::uint32_t t = 0; t < kRows; ++t) {
    const std::span<const float> p = std::span(baseline).subspan(t * kStride, kColumns);
    const std::span<const float> q = std::span(logits).subspan(t * kStride, kColumns);
    const double a = log_sum(p), b = log_sum(q);
    double divergence = 0;
    for (std::uint32_t i = 0; i < kColumns; ++i) divergence += std::exp(p[i] - a) * ((p[i] - a) - (q[i] - b));
    run.near(std::vector<float>{found[t].nll, found[t].divergence, found[t].baseline_nll},
             std::vector<double>{b - q[targets[t]], divergence, a - p[targets[t]]}, 2e-5, 1e-5);
    run.same(found[t].top, static_cast<std::uint32_t>(std::max_element(q.begin(), q.end()) - q.begin()));
    run.same(found[t].baseline_top, static_cast<std::uint32_t>(std::max_element(p.begin(), p.end()) - p.begin()));
  }
}

}  // namespace

void add_row_checks(std::vector<Check>& checks, const KernelNeeds& needs) {
  checks.push_back({"rms norm", [thorough = needs.thorough](CheckRun& run) {
                      check_norm(run, 3, 577, false);
                      check_norm(run, 1, 64, true);
                      if (!thorough) return;
                      check_norm(run, 33, 3, false);
                      check_norm(run, 2, 2050, true);
                    }});
  checks.push_back({"gated product", [](CheckRun& run) {
                      check_gate(run, GatedActivation::kSilu);
                      check_gate(run, GatedActivation::kGeluTanh);
                    }});
  checks.push_back({"soft cap", check_soft_cap});
  if (needs.logits_compared) checks.push_back({"compare logits", check_comparison});
}

}  // namespace regroup::selftest
