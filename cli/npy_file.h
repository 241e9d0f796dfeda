// A float32 matrix as a numpy .npy file, written row by row beside the target and renamed when complete.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "runtime/file/atomic_file.h"

namespace regroup::cli {

class NpyFile {
 public:
  // Throws what AtomicFile throws.
  NpyFile(std::filesystem::path target, std::uint64_t rows, std::uint64_t columns);
  void append(std::span<const float> values);
  // Throws kFailed when anything could not be written (a full disk); the target is then untouched.
  void commit();

 private:
  AtomicFile file_;
};

}  // namespace regroup::cli
