#include "tests/support/npy.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace regroup::test {

NpyArray read_npy(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (bytes.size() < 10 || bytes.compare(0, 6, "\x93NUMPY") != 0)
    throw std::runtime_error("no .npy file: " + path.string());
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const std::size_t header_bytes = byte(8) + 256u * byte(9);
  const std::string header = bytes.substr(10, header_bytes);
  if (header.find("'<f4'") == std::string::npos || header.find("'fortran_order': False") == std::string::npos) {
    throw std::runtime_error("no C-ordered float32 array: " + path.string());
  }
  NpyArray array;
  std::size_t count = 1;
  for (std::size_t at = header.find('(') + 1; at < header.find(')');) {
    if (header[at] < '0' || header[at] > '9') {
      ++at;
      continue;
    }
    std::size_t used = 0;
    array.shape.push_back(std::stoull(header.substr(at), &used));
    count *= array.shape.back();
    at += used;
  }
  if (bytes.size() != 10 + header_bytes + count * 4) throw std::runtime_error("wrong size: " + path.string());
  array.values.resize(count);
  std::memcpy(array.values.data(), bytes.data() + 10 + header_bytes, count * 4);
  return array;
}

}  // namespace regroup::test
