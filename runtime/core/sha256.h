// SHA-256 (FIPS 180-4), with the processor's own instructions where it has them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace regroup {

class Sha256 {
 public:
  Sha256();

  void add(std::span<const std::byte> bytes);
  // The digest of everything added, as 64 hexadecimal digits. Nothing may be added afterwards.
  std::string finish();

 private:
  std::array<std::uint32_t, 8> state_;
  std::array<std::byte, 64> block_{};
  std::size_t block_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace regroup
