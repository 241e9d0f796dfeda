// A float32 matrix as a numpy .npy file, written row by row beside the target and renamed when complete.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>

namespace regroup::cli {

class NpyFile {
 public:
  // Throws kFailed when it cannot be created.
  NpyFile(std::filesystem::path target, std::uint64_t rows, std::uint64_t columns);
  ~NpyFile();  // removes what was not committed
  void append(std::span<const float> values);
  // Throws kFailed when anything could not be written (a full disk); the target is then untouched.
  void commit();

 private:
  std::filesystem::path target_, temporary_;
  std::ofstream out_;
  bool committed_ = false;
};

}  // namespace regroup::cli
