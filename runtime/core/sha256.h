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

  friend void add_to_both(Sha256& first, std::span<const std::byte> first_bytes, Sha256& second,
                          std::span<const std::byte> second_bytes);

 private:
  std::array<std::uint32_t, 8> state_;
  std::array<std::byte, 64> block_{};
  std::size_t block_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
};

// Adds to two digests at once, in little more than the time of one: the processor's instructions for a digest wait for
// each other, and those for another one fit between them.
void add_to_both(Sha256& first, std::span<const std::byte> first_bytes, Sha256& second,
                 std::span<const std::byte> second_bytes);

}  // namespace regroup
