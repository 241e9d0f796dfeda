#include "runtime/file/read_back.h"

#include <algorithm>

#include "runtime/file/bad_file.h"

namespace regroup {

void check_read_back(const ReadBack& found, std::string_view header, std::uint64_t file_bytes,
                     const std::vector<TensorPlan>& plans) {
  const std::string_view text(reinterpret_cast<const char*>(found.written.data()), found.written.size());
  const bool same_tensors =
      std::equal(plans.begin(), plans.end(), found.tensors.begin(), found.tensors.end(),
                 [](const TensorPlan& plan, const FileTensor& tensor) {
                   return plan.name == tensor.name && plan.format == tensor.format && plan.shape == tensor.shape;
                 });
  if (text.size() == file_bytes && text.starts_with(header) && same_tensors) return;
  throw_error(ErrorCode::kFailed, "cannot write '{}': what was read back differs from what was written; check the disk",
              escaped(found.target.string(), kShownPathBytes));
}

}  // namespace regroup
