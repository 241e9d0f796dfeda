#include "runtime/core/sha256.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace regroup {
namespace {

// FIPS 180-4, section 4.2.2.
alignas(16) constexpr std::uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using State = std::array<std::uint32_t, 8>;

void compress_portable(State& state, const std::byte* data, std::size_t blocks) {
  for (; blocks > 0; --blocks, data += 64) {
    std::uint32_t w[64];
    for (std::size_t i = 0; i < 16; ++i) {
      w[i] = std::to_integer<std::uint32_t>(data[4 * i]) << 24 | std::to_integer<std::uint32_t>(data[4 * i + 1]) << 16 |
             std::to_integer<std::uint32_t>(data[4 * i + 2]) << 8 | std::to_integer<std::uint32_t>(data[4 * i + 3]);
    }
    for (std::size_t i = 16; i < 64; ++i) {
      const std::uint32_t a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3)) + w[i - 7] +
             (std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10));
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t i = 0; i < 64; ++i) {
      const std::uint32_t t1 =
          h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + kRounds[i] + w[i];
      const std::uint32_t t2 = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const std::uint32_t added[8] = {a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < 8; ++i) state[i] += added[i];
  }
}

#if defined(__x86_64__)
bool has_sha_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool has_sse = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSE4_1) != 0 && (c & bit_SSSE3) != 0;
  return has_sse && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & (1u << 29)) != 0;
}

// The instructions keep the state as (a b e f) and (c d g h) and do two rounds at a time.
struct Registers {
  __m128i abef, cdgh;
};

__attribute__((target("sha,sse4.1,ssse3"))) inline Registers load(const State& state) {
  const __m128i low = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state.data())), 0xb1);  // cdab
  const __m128i high =
      _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state.data() + 4)), 0x1b);  // efgh
  return {_mm_alignr_epi8(low, high, 8), _mm_blend_epi16(high, low, 0xf0)};
}

__attribute__((target("sha,sse4.1,ssse3"))) inline void store(const Registers& from, State& state) {
  const __m128i low = _mm_shuffle_epi32(from.abef, 0x1b);   // feba
  const __m128i high = _mm_shuffle_epi32(from.cdgh, 0xb1);  // dchg
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data()), _mm_blend_epi16(low, high, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data() + 4), _mm_alignr_epi8(high, low, 8));
}

// Chains: how many digests go on side by side, each with data of its own.
template <std::size_t Chains>
__attribute__((target("sha,sse4.1,ssse3"))) void compress_with_instructions(const std::array<State*, Chains>& states,
                                                                            std::array<const std::byte*, Chains> data,
                                                                            std::size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
  Registers now[Chains];
  for (std::size_t c = 0; c < Chains; ++c) now[c] = load(*states[c]);
  for (; blocks > 0; --blocks) {
    Registers before[Chains];
    __m128i w[Chains][4];
    for (std::size_t c = 0; c < Chains; ++c) {
      before[c] = now[c];
      for (int i = 0; i < 4; ++i) {
        w[c][i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data[c] + 16 * i)), big_endian);
      }
      data[c] += 64;
    }
    // Unrolled, so that the words' indices are constants and the words stay in registers.
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      for (std::size_t c = 0; c < Chains; ++c) {
        const __m128i word = w[c][i & 3];
        __m128i sum = _mm_add_epi32(word, _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds + 4 * i)));
        now[c].cdgh = _mm_sha256rnds2_epu32(now[c].cdgh, now[c].abef, sum);
        sum = _mm_shuffle_epi32(sum, 0x0e);
        now[c].abef = _mm_sha256rnds2_epu32(now[c].abef, now[c].cdgh, sum);
        if (i < 12) {  // words 4 (i + 4) .. of the schedule take the place of words 4 i ..
          __m128i next = _mm_sha256msg1_epu32(word, w[c][(i + 1) & 3]);
          next = _mm_add_epi32(next, _mm_alignr_epi8(w[c][(i + 3) & 3], w[c][(i + 2) & 3], 4));
          w[c][i & 3] = _mm_sha256msg2_epu32(next, w[c][(i + 3) & 3]);
        }
      }
    }
    for (std::size_t c = 0; c < Chains; ++c) {
      now[c].abef = _mm_add_epi32(now[c].abef, before[c].abef);
      now[c].cdgh = _mm_add_epi32(now[c].cdgh, before[c].cdgh);
    }
  }
  for (std::size_t c = 0; c < Chains; ++c) store(now[c], *states[c]);
}
#endif

template <std::size_t Chains>
void compress(const std::array<State*, Chains>& states, const std::array<const std::byte*, Chains>& data,
              std::size_t blocks) {
#if defined(__x86_64__)
  static const bool fast = has_sha_instructions();
  if (fast) return compress_with_instructions<Chains>(states, data, blocks);
#endif
  for (std::size_t c = 0; c < Chains; ++c) compress_portable(*states[c], data[c], blocks);
}

void compress(State& state, const std::byte* data, std::size_t blocks) {
  compress<1>({&state}, {data}, blocks);
}

}  // namespace

Sha256::Sha256()
    : state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19} {}

void Sha256::add(std::span<const std::byte> bytes) {
  total_bytes_ += bytes.size();
  if (block_bytes_ > 0) {
    const std::size_t count = std::min(bytes.size(), block_.size() - block_bytes_);
    std::copy_n(bytes.data(), count, block_.data() + block_bytes_);
    block_bytes_ += count;
    bytes = bytes.subspan(count);
    if (block_bytes_ < block_.size()) return;
    compress(state_, block_.data(), 1);
    block_bytes_ = 0;
  }
  const std::size_t whole = bytes.size() / block_.size();
  compress(state_, bytes.data(), whole);
  bytes = bytes.subspan(whole * block_.size());
  std::copy_n(bytes.data(), bytes.size(), block_.data());
  block_bytes_ = bytes.size();
}

void add_to_both(Sha256& first, std::span<const std::byte> first_bytes, Sha256& second,
                 std::span<const std::byte> second_bytes) {
  if (first.block_bytes_ == 0 && second.block_bytes_ == 0) {
    const std::size_t whole = std::min(first_bytes.size(), second_bytes.size()) / first.block_.size();
    compress<2>({&first.state_, &second.state_}, {first_bytes.data(), second_bytes.data()}, whole);
    const std::size_t bytes = whole * first.block_.size();
    first.total_bytes_ += bytes;
    second.total_bytes_ += bytes;
    first_bytes = first_bytes.subspan(bytes);
    second_bytes = second_bytes.subspan(bytes);
  }
  first.add(first_bytes);
  second.add(second_bytes);
}

std::string Sha256::finish() {
  const std::uint64_t bits = total_bytes_ * 8;
  std::array<std::byte, 72> tail{std::byte{0x80}};
  const std::size_t padding = (block_bytes_ < 56 ? 56 : 120) - block_bytes_;
  for (std::size_t i = 0; i < 8; ++i) tail[padding + i] = static_cast<std::byte>(bits >> (56 - 8 * i));
  add(std::span(tail).first(padding + 8));
  std::string text;
  for (const std::uint32_t word : state_) {
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[word >> shift & 15];
  }
  return text;
}

}  // namespace regroup
