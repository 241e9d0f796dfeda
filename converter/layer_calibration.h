// One attention layer with its calibration inputs on the device: what its teacher computes, and how far a merged layer
// is from it.
#pragma once

#include <cstdint>
#include <memory>

#include "converter/attention_layer.h"
#include "converter/layer_statistics.h"
#include "runtime/core/progress.h"
#include "runtime/gpu/device.h"
#include "runtime/ops/kernel_profile.h"
#include "runtime/ops/linear.h"

namespace regroup {

// Inputs are rows after the layer's norm (gain included): the teacher's as the original model computes them, the
// student's as the model merged so far does (the same buffer where the two are to be taken as equal). tokens =
// sequences * sequence_length, sequence by sequence, each starting at position 0.
struct CalibrationInputs {
  Device& device;
  const KernelProfile& profile;
  const AttentionLayer& source;
  Activations teacher;  // [tokens, d]
  Activations student;  // [tokens, d]
  std::uint32_t sequences = 0;
  std::uint32_t sequence_length = 0;
  std::uint32_t held_out = 0;  // the last so many sequences only judge, nothing is fitted to them
  BufferView rope_table;       // as StepActivations::rope_table
  std::uint32_t window = 0;    // sliding window, 0: none
};

}  // namespace regroup
