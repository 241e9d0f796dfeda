// What merging a single layer does to the whole model's predictions: the measure by which groups are shared out among
// layers under a budget.
#pragma once

#include <cstdint>
#include <vector>

#include "converter/budget.h"
#include "converter/calibration_text.h"
#include "runtime/core/progress.h"
#include "runtime/gpu/device.h"
#include "runtime/model/model.h"
#include "runtime/ops/kernel_profile.h"
#include "runtime/ops/kv_cache_layout.h"

namespace regroup {

struct MeasureDamage {
  const ModelFile& file;
  const ModelOutline& outline;
  const CalibrationText& text;
  Device& device;
  const KernelProfile& profile;
  CacheType cache_type = CacheType::kF16;  // whose bytes are counted
  Progress progress = {};
  const CancelFlag* cancel = nullptr;
};

// For each layer all numbers of groups that divide its KV heads, with the mean KL divergence per held-out token between
// the model and the model with this layer alone merged (svd; mean where the architecture forbids svd). The streams of
// all variants go through the model together, so each layer is loaded once; memory: layers x divisors x held-out tokens
// x hidden floats. Throws kNotANumber when predictions are not finite, kInterrupted, kOutOfMemory.
std::vector<std::vector<BudgetOption>> measure_damage(const MeasureDamage& job);

}  // namespace regroup
