// One step of Adam (Kingma and Ba 2015) on a run of weights.
#pragma once

#include "runtime/gpu/command_list.h"
#include "runtime/ops/kernel_profile.h"

namespace regroup {

struct Adam {
  BufferView weights, gradient;  // [count] f32
  BufferView first, second;      // [count] f32: the moments, 0 before the first step
  std::uint32_t count = 0;       // a multiple of 4
  std::uint32_t step = 1;        // counted from 1
  float learning_rate = 1e-3f;
  float beta1 = 0.9f, beta2 = 0.99f;
  float epsilon = 1e-8f;
};

void record(CommandList& list, const KernelProfile& profile, const Adam& op);

}  // namespace regroup
