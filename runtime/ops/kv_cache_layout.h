// Where a layer's keys and values lie in its cache buffer, by cache type; the one place that computes cache bytes.
//
// One buffer per layer (or per run of groups, where a buffer limit demands it) holds four regions, each starting at a
// multiple of 16 bytes:
//   K values [group][position][head_dim] | V values, the same | K scales [group][position][head_dim/32] halves
//   (quantised types) | V scales
// A row of values is head_dim elements: f32 4 B, f16 2 B, q8_0 1 B (signed), q4_0 half a byte (element i in nibble i of
// the row, low nibble first, value nibble - 8). Scales are halves, two per u32; scale j belongs to elements 32j ..
// 32j+31. Rows of values are whole 16-byte chunks: head_dim is a multiple of 4 (f32), 8 (f16), 32 (q8_0, q4_0).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/gpu/buffer.h"

namespace regroup {

enum class CacheType : std::uint8_t { kF32, kF16, kQ8_0, kQ4_0 };
std::string_view cache_type_name(CacheType type);  // "f32", "f16", "q8_0", "q4_0": also the suffix of kernels
std::optional<CacheType> cache_type_from_name(std::string_view name);

// Positions are allocated in steps of this many, so that a whole tile may be read past the last one.
inline constexpr std::uint32_t kPositionStep = 32;

struct KvCacheLayout {
  CacheType type = CacheType::kF16;
  std::uint32_t groups = 0;  // KV heads in this buffer, those of all its sequences
  std::uint32_t head_dim = 0;
  std::uint32_t capacity = 0;  // positions, a multiple of kPositionStep

  // Bytes of one row of values / of its scales (0 for f32 and f16; scales of a row are padded to nothing: rows are
  // contiguous).
  std::uint32_t value_row_bytes() const;
  std::uint32_t scale_row_halves() const;
  std::uint64_t values_bytes() const;  // one of the K / V value regions, a multiple of 16
  std::uint64_t scales_bytes() const;  // one of the K / V scale regions, a multiple of 16
  // Region starts, in bytes.
  std::uint64_t v_offset() const { return values_bytes(); }
  std::uint64_t k_scale_offset() const { return 2 * values_bytes(); }
  std::uint64_t v_scale_offset() const { return 2 * values_bytes() + scales_bytes(); }
  std::uint64_t bytes() const { return 2 * values_bytes() + 2 * scales_bytes(); }
};

// The cache of one layer on the device: one slice, or several where the buffer limit is small. A slice holds whole
// sequences, [sequence][group], or a run of groups of one.
struct KvCacheSlice {
  BufferView buffer;
  std::uint32_t first_group;
  KvCacheLayout layout;  // of this slice
  std::uint32_t first_sequence = 0;
  std::uint32_t sequences = 1;

  std::uint32_t groups_per_sequence() const { return layout.groups / sequences; }
};
struct KvCacheLayer {
  CacheType type = CacheType::kF16;
  std::uint32_t groups = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t capacity = 0;
  std::vector<KvCacheSlice> slices;
  std::uint32_t sequences = 1;
};

// Whose keys and values the tokens of a run are.
struct CacheSequences {
  std::uint32_t first = 0;      // sequence of the cache that token 0 belongs to
  bool one_token_each = false;  // token t belongs to sequence first + t; otherwise all tokens to `first`
};

// The tokens of a run that a slice serves, and where their heads lie in it.
struct SliceTokens {
  std::uint32_t first_token = 0;
  std::uint32_t count = 0;            // 0: none
  std::uint32_t first_row = 0;        // head of the slice that group `first_group` of the first token's sequence is
  std::uint32_t sequences_count = 0;  // that these tokens belong to
};
SliceTokens slice_tokens(const KvCacheSlice& slice, const CacheSequences& sequences, std::uint32_t tokens);

}  // namespace regroup
