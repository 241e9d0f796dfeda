#include "cli/npy_file.h"

#include <unistd.h>

#include <bit>

#include "runtime/core/error.h"

namespace regroup::cli {

NpyFile::NpyFile(std::filesystem::path target, std::uint64_t rows, std::uint64_t columns)
    : target_(std::move(target)), temporary_(target_.string() + fmt::format(".{}.tmp", getpid())) {
  static_assert(std::endian::native == std::endian::little,
                ".npy is written in the machine's order and marked little-endian");
  out_.open(temporary_, std::ios::binary | std::ios::trunc);
  if (!out_)
    throw_error(ErrorCode::kFailed, "cannot create '{}'; is the folder there and writable?", escaped(target_.string()));
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  // Magic, version 1.0 and a 16-bit length precede the header; the data starts at a multiple of 64.
  constexpr std::size_t kPrefix = 10;
  header.append(63 - (kPrefix + header.size()) % 64, ' ');
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  const char prefix[kPrefix] = {
      '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  out_.write(prefix, kPrefix);
  out_.write(header.data(), static_cast<std::streamsize>(header.size()));
}

NpyFile::~NpyFile() {
  if (committed_) return;
  out_.close();
  std::error_code error;
  std::filesystem::remove(temporary_, error);
}

void NpyFile::append(std::span<const float> values) {
  out_.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
}

void NpyFile::commit() {
  out_.close();
  std::error_code error;
  if (out_) std::filesystem::rename(temporary_, target_, error);
  if (!out_ || error)
    throw_error(ErrorCode::kFailed, "cannot write '{}'; is the disk full?", escaped(target_.string()));
  committed_ = true;
}

}  // namespace regroup::cli
