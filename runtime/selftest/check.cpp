#include "runtime/selftest/check.h"

namespace regroup::selftest {
namespace {

constexpr double kNoNumber = 1e30;  // what a NaN or an infinity counts as

}  // namespace

void CheckRun::note(double error, double tolerance, double scale) {
  if (!std::isfinite(error)) error = kNoNumber;
  const Verdict verdict{error <= tolerance, std::min(error / std::max(scale, 1e-30), kNoNumber)};
  for (Verdict* kernel : current_) kernel->add(verdict);
}

void CheckRun::near(std::span<const float> got, std::span<const double> expected, double absolute, double relative) {
  double scale = absolute;  // what is smaller counts as zero
  for (const double value : expected) scale = std::max(scale, std::fabs(value));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    note(std::fabs(double{got[i]} - expected[i]), absolute + relative * std::fabs(expected[i]), scale);
  }
}

void CheckRun::near(std::span<const float> got, std::span<const reference::Expected> expected) {
  double scale = 0;
  for (const reference::Expected& value : expected) scale = std::max(scale, std::fabs(value.value));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    note(std::fabs(double{got[i]} - expected[i].value), expected[i].tolerance, scale);
  }
}

KernelNeeds KernelNeeds::everything() {
  KernelNeeds needs{.cache_types = {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0, CacheType::kQ4_0},
                    .logits_compared = true,
                    .calibrating = true,
                    .thorough = true};
  for (const WeightFormatInfo& info : all_weight_formats()) needs.formats.push_back(info.format);
  return needs;
}

std::vector<Check> checks_for(const KernelNeeds& needs) {
  std::vector<Check> checks;
  add_product_checks(checks, needs);
  add_row_checks(checks, needs);
  add_cache_checks(checks, needs);
  add_attention_checks(checks, needs);
  add_sampling_checks(checks, needs);
  if (needs.calibrating) add_training_checks(checks, needs);
  return checks;
}

}  // namespace regroup::selftest
