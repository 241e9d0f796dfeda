#include "runtime/core/digest.h"

// Compiled in, so that no library is needed at run time.
#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

namespace regroup {

struct Digest::State {
  XXH3_state_t xxh3;
};

Digest::Digest() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(&state_->xxh3);
}

Digest::~Digest() = default;

void Digest::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(&state_->xxh3, bytes.data(), bytes.size());
}

std::string Digest::finish() const {
  const XXH128_hash_t digest = XXH3_128bits_digest(&state_->xxh3);
  return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

std::string digest_of(std::string_view text) {
  Digest digest;
  digest.add(std::as_bytes(std::span(text)));
  return digest.finish();
}

}  // namespace regroup
