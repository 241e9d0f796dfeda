#include "runtime/file/tensor_plan.h"

#include "runtime/core/checked.h"
#include "runtime/core/error.h"

namespace regroup {

std::uint64_t planned_bytes(const TensorPlan& plan) {
  const WeightFormatInfo& format = format_info(plan.format);
  REGROUP_CHECK(!plan.name.empty() && !plan.shape.empty());
  REGROUP_CHECK(plan.shape.back() % format.block_elements == 0);
  std::optional<std::uint64_t> elements = 1;
  for (const std::uint64_t dimension : plan.shape) {
    REGROUP_CHECK(dimension > 0);
    elements = elements ? checked_mul(*elements, dimension) : elements;
  }
  const auto bytes = elements ? checked_mul(*elements / format.block_elements, format.block_bytes) : elements;
  REGROUP_CHECK(bytes.has_value());
  return *bytes;
}

}  // namespace regroup
