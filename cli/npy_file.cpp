#include "cli/npy_file.h"

#include <bit>

#include "runtime/core/error.h"

namespace regroup::cli {

NpyFile::NpyFile(std::filesystem::path target, std::uint64_t rows, std::uint64_t columns)
    : file_(std::move(target), Overwrite::kYes) {
  static_assert(std::endian::native == std::endian::little,
                ".npy is written in the machine's order and marked little-endian");
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  // Magic, version 1.0 and a 16-bit length precede the header; the data starts at a multiple of 64.
  constexpr std::size_t kPrefix = 10;
  header.append(63 - (kPrefix + header.size()) % 64, ' ');
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  const char prefix[kPrefix] = {
      '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  file_.write(std::as_bytes(std::span(prefix)));
  file_.write(std::as_bytes(std::span(header)));
}

void NpyFile::append(std::span<const float> values) {
  file_.write(std::as_bytes(values));
}

void NpyFile::commit() {
  file_.close();
  file_.commit();
}

}  // namespace regroup::cli
