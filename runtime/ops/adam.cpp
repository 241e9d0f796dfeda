#include "runtime/ops/adam.h"

#include <cmath>

#include "runtime/core/error.h"
#include "runtime/ops/folded_grid.h"
#include "shaders/training/adam.h"

namespace regroup {

void record(CommandList& list, const KernelProfile& profile, const Adam& op) {
  REGROUP_CHECK(op.count > 0 && op.count % 4 == 0 && op.step > 0);
  for (const BufferView& view : {op.weights, op.gradient, op.first, op.second}) {
    REGROUP_CHECK(view && view.size_bytes >= std::uint64_t{4} * op.count);
  }
  // On CPU drivers a workgroup costs as much as some 40 elements.
  const std::uint32_t chunks_each = profile.shape == ProductShape::kRowPerLane ? 64 : 1;
  const shader::AdamConstants constants{.workgroup_size = profile.lanes, .chunks_each = chunks_each};
  const Kernel& kernel = list.device().kernel("adam", as_words(constants));
  const std::uint32_t chunks = op.count / 4, per_workgroup = chunks_each * profile.lanes;
  const Groups grid = folded_grid((chunks + per_workgroup - 1) / per_workgroup);
  // In double: 1 - beta^step is small at first.
  const shader::AdamPush push{
      .chunks = chunks,
      .rate = static_cast<float>(op.learning_rate / (1.0 - std::pow(double{op.beta1}, op.step))),
      .beta1 = op.beta1,
      .beta2 = op.beta2,
      .scale2 = static_cast<float>(1.0 / (1.0 - std::pow(double{op.beta2}, op.step))),
      .epsilon = op.epsilon,
      .groups_x = grid.x};
  list.dispatch(kernel, {{0, op.weights}, {1, op.gradient}, {2, op.first}, {3, op.second}}, as_words(push), grid,
                {.bytes = 28.0 * op.count, .flops = 15.0 * op.count}, "adam");
}

}  // namespace regroup
