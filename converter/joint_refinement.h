// After layers were merged one by one: gradient descent on the attention weights of all merged layers together, so that
// the model predicts what the original predicts. Layers make up for one another's errors then, and err where it matters
// least. Needs the whole model in device memory as f32, and many passes over it: for small models.
#pragma once

#include <cstdint>
#include <vector>

#include "converter/calibration_text.h"
#include "converter/convert_layers.h"
#include "runtime/core/progress.h"
#include "runtime/gpu/device.h"
#include "runtime/model/model.h"
#include "runtime/ops/kernel_profile.h"

namespace regroup {

struct JointRefinement {
  Device& device;
  const KernelProfile& profile;
  const ModelFile& file;
  const ModelOutline& outline;
  // The last text.held_out sequences only judge. With fewer tokens than joint_size() asks for there are fewer steps.
  const CalibrationText& text;
  std::uint64_t seed = 0;
  Progress progress = {};
  const CancelFlag* cancel = nullptr;
};

// Divergence of the merged model's predictions from the original's per token of the text that only judges, in nats.
struct JointOutcome {
  double before = 0, after = 0;
};

// Whether `auto` goes on to it after `settings`' layers.
bool refines_jointly(const ModelFile& file, const ModelOutline& outline, const MergeSettings& settings);

// Of the text for it, sampled sequences having seeds from a text's own on: far from those that the layers one by one
// were fitted to.
constexpr std::uint64_t joint_seed(std::uint64_t seed) {
  return seed + (std::uint64_t{1} << 32);
}

// How much text it takes to see every token once, and what judges; `asked`: where the user chose, that stays.
CalibrationSize joint_size(const ModelConfig& config, const MergeSettings& settings, CalibrationSize asked);

// `layers`: all of the model in order. Those that are merged change, if the predictions come nearer on text that only
// judges. Throws kInterrupted, kOutOfMemory.
JointOutcome refine_jointly(const JointRefinement& job, std::vector<MergedLayer>& layers);

}  // namespace regroup
