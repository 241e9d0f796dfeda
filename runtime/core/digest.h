// A 128-bit digest of bytes (XXH3, of the xxHash library): tells files apart and finds damage, at the speed of memory.
// Nobody is kept from making two inputs of the same digest; nothing here rests on that.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace regroup {

class Digest {
 public:
  // Of the text that finish() returns.
  static constexpr std::size_t kCharacters = 32;

  // Throws std::bad_alloc.
  Digest();
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void add(std::span<const std::byte> bytes);
  // The digest of everything added, as 32 hexadecimal digits: what `xxhsum -H2` prints.
  std::string finish() const;

 private:
  XXH3_state_s* state_;
};

std::string digest_of(std::string_view text);

}  // namespace regroup
