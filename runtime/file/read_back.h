// The writers' last check before a file gets its name: what a reader finds in it is what was to be written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/file/model_file.h"
#include "runtime/file/tensor_plan.h"

namespace regroup {

struct ReadBack {
  const std::filesystem::path& target;     // named in the error
  std::span<const std::byte> written;      // the file's bytes
  const std::vector<FileTensor>& tensors;  // as a reader found them in `written`
};

// Throws kFailed unless the file has `file_bytes` bytes, begins with `header` and holds the planned tensors in their
// order.
void check_read_back(const ReadBack& found, std::string_view header, std::uint64_t file_bytes,
                     const std::vector<TensorPlan>& plans);

}  // namespace regroup
