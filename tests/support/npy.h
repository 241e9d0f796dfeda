// Reads little-endian float32 .npy files, as numpy writes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace regroup::test {

struct NpyArray {
  std::vector<std::uint64_t> shape;
  std::vector<float> values;
};

// Throws std::runtime_error on anything but a C-ordered float32 array.
NpyArray read_npy(const std::filesystem::path& path);

}  // namespace regroup::test
