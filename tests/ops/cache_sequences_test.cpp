// Several sequences in one cache: storing and attending one token of each in one dispatch is doing it sequence by
// sequence with a cache of its own, however the cache is cut into slices.
#include <cmath>

#include "runtime/ops/attention.h"
#include "runtime/ops/rope_store.h"
#include "runtime/selftest/reference/kv_cache.h"
#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

using reference::CacheRegion;

constexpr std::uint32_t kHeads = 6, kGroups = 2, kHeadDim = 64, kCapacity = 352;
constexpr std::uint32_t kWidth = (kHeads + 2 * kGroups) * kHeadDim;  // of a row: queries, keys, values
constexpr std::uint32_t kLengths[] = {1, 300, 33, 64, 7};            // cached before, by sequence
constexpr std::uint32_t kSequences = 5;

// How many sequences, or groups of one sequence, a slice holds.
struct Cut {
  std::uint32_t sequences, groups;
};

class CacheSequencesTest : public ProfileTest {
 protected:
  KvCacheLayer layer(CacheType type, std::uint32_t sequences, Cut cut) {
    KvCacheLayer made{type, kGroups, kHeadDim, kCapacity, {}, sequences};
    for (std::uint32_t s = 0; s < sequences; s += cut.sequences) {
      const std::uint32_t count = std::min(cut.sequences, sequences - s);
      for (std::uint32_t g = 0; g < kGroups; g += cut.groups) {
        const KvCacheLayout layout{type, count * cut.groups, kHeadDim, kCapacity};
        Buffer& buffer = arena_.buffer(layout.bytes(), "cache");
        upload(device(), buffer, std::vector<std::byte>(layout.bytes(), std::byte{0xff}));
        made.slices.push_back({buffer, g, layout, s, count});
      }
    }
    return made;
  }

  // Stores rows at positions first[t] and, with `out`, attends.
  void step(const KernelProfile& profile, const KvCacheLayer& cache, const std::vector<float>& rows,
            const std::vector<std::uint32_t>& positions, CacheSequences sequences, Buffer* out = nullptr,
            std::uint32_t splits = 0) {
    const auto tokens = static_cast<std::uint32_t>(positions.size());
    Buffer& qkv = upload_new(rows);
    Buffer& at = upload_new(positions);
    CommandList list(device());
    record(list, profile,
           RopeStore{.q = {qkv, 0, kWidth},
                     .k = {qkv, kHeads * kHeadDim, kWidth},
                     .v = {qkv, (kHeads + kGroups) * kHeadDim, kWidth},
                     .positions = at,
                     .rope_table = *table_,
                     .cache = cache,
                     .sequences = sequences,
                     .query_heads = kHeads,
                     .head_dim = kHeadDim,
                     .rotary_dims = kHeadDim,
                     .tokens = tokens});
    if (out != nullptr) {
      Buffer& scratch = arena_.buffer(attention_scratch_bytes(device(), profile, kHeads, kHeadDim, tokens), "scratch");
      record(list, profile,
             Attention{.q = {qkv, 0, kWidth},
                       .out = {*out, 0, kHeads * kHeadDim},
                       .positions = at,
                       .cache = cache,
                       .sequences = sequences,
                       .query_heads = kHeads,
                       .head_dim = kHeadDim,
                       .tokens = tokens,
                       .scale = 0.125f,
                       .window = window_,
                       .longest_context = 301,
                       .scratch = scratch,
                       .splits = splits});
    }
    list.run();
  }

  static std::vector<std::uint32_t> first_positions(std::uint32_t count) {
    std::vector<std::uint32_t> positions(count);
    for (std::uint32_t p = 0; p < count; ++p) positions[p] = p;
    return positions;
  }

  void check(const KernelProfile& profile, CacheType type, Cut cut, std::uint32_t splits) {
    SCOPED_TRACE(fmt::format("{} {} {} sequences and {} groups per slice, splits {}", profile.name,
                             cache_type_name(type), cut.sequences, cut.groups, splits));
    std::vector<float> turns(std::size_t{kCapacity} * kHeadDim);
    for (std::size_t i = 0; i < turns.size(); i += 2) {
      turns[i] = std::cos(0.37f * static_cast<float>(i));
      turns[i + 1] = std::sin(0.37f * static_cast<float>(i));
    }
    table_ = &upload_new(turns);
    // One sequence more in front and behind, which nothing may touch or read.
    const KvCacheLayer shared = layer(type, kSequences + 2, cut);
    const std::vector<float> next = noise(std::size_t{kSequences} * kWidth, 99);
    constexpr std::uint32_t kOut = kHeads * kHeadDim;
    std::vector<double> expected;
    for (std::uint32_t s = 0; s < kSequences; ++s) {
      const std::vector<float> rows = noise(std::size_t{kLengths[s]} * kWidth, s);
      const KvCacheLayer own = layer(type, 1, {1, kGroups});
      step(profile, own, rows, first_positions(kLengths[s]), {});
      step(profile, shared, rows, first_positions(kLengths[s]), {.first = s + 1});
      Buffer& out = arena_.buffer(std::uint64_t{4} * kOut, "out");
      step(profile, own, {next.begin() + s * kWidth, next.begin() + (s + 1) * kWidth}, {kLengths[s]}, {}, &out);
      for (const float value : floats(out, kOut)) expected.push_back(value);
    }
    Buffer& out = arena_.buffer(std::uint64_t{4} * kOut * kSequences, "out");
    step(profile, shared, next, {std::begin(kLengths), std::end(kLengths)}, {.first = 1, .one_token_each = true}, &out,
         splits);
    EXPECT_LE(worst_error(floats(out, expected.size()), expected, 4e-6, 4e-6), 1.0);
    for (const KvCacheSlice& slice : shared.slices) {
      const auto bytes = download_values<std::byte>(device(), slice.buffer, slice.layout.bytes());
      const auto untouched = [&](std::uint32_t sequence) {
        if (sequence < slice.first_sequence || sequence >= slice.first_sequence + slice.sequences) return;
        const std::uint32_t row = (sequence - slice.first_sequence) * slice.groups_per_sequence() * kCapacity;
        const std::size_t size = slice.layout.value_row_bytes();
        for (std::size_t i = row * size; i < (row + slice.groups_per_sequence() * kCapacity) * size; ++i) {
          ASSERT_EQ(bytes[i], std::byte{0xff});
          ASSERT_EQ(bytes[slice.layout.v_offset() + i], std::byte{0xff});
        }
      };
      untouched(0);
      untouched(kSequences + 1);
    }
  }

  Buffer* table_ = nullptr;
  std::uint32_t window_ = 0;
};

TEST_F(CacheSequencesTest, OneTokenOfEachInEveryProfile) {
  for (const KernelProfile& profile : profiles()) {
    for (const CacheType type : {CacheType::kF16, CacheType::kQ8_0}) check(profile, type, {kSequences + 2, kGroups}, 0);
  }
}

TEST_F(CacheSequencesTest, OneTokenOfEachInEveryCacheType) {
  for (const CacheType type : {CacheType::kF32, CacheType::kQ4_0}) {
    check(kernel_profile(device()), type, {kSequences + 2, kGroups}, 0);
  }
}

TEST_F(CacheSequencesTest, SlicesOfSequencesAndOfGroups) {
  for (const Cut cut : {Cut{3, kGroups}, Cut{1, kGroups}, Cut{1, 1}}) {
    for (const std::uint32_t splits : {1u, 3u}) check(kernel_profile(device()), CacheType::kF16, cut, splits);
  }
}

TEST_F(CacheSequencesTest, WindowsOfSequences) {
  window_ = 40;
  check(kernel_profile(device()), CacheType::kF16, {kSequences + 2, kGroups}, 2);
}

// As many sequences as fill the y of a grid more than once. Each has one position, which it then copies.
TEST_F(CacheSequencesTest, MoreTilesThanAGridHolds) {
  constexpr std::uint32_t kManyHeads = 512, kDim = 8, kMany = 1200, kPositions = 32;
  const KvCacheLayout layout{CacheType::kF32, kMany, kDim, kPositions};
  std::vector<std::byte> bytes(layout.bytes(), std::byte{0});
  std::vector<float> expected;
  for (std::uint32_t s = 0; s < kMany; ++s) {
    const std::vector<float> value = noise(kDim, s);
    reference::write_cache_row(layout, bytes, CacheRegion::kValues, s, 0, value);
    for (std::uint32_t head = 0; head < kManyHeads; ++head) expected.insert(expected.end(), value.begin(), value.end());
  }
  Buffer& cache = upload_new<std::byte>(bytes);
  Buffer& q = upload_new(std::vector<float>(expected.size(), 1.0f));
  Buffer& at = upload_new(std::vector<std::uint32_t>(kMany, 0));
  Buffer& out = arena_.buffer(expected.size() * 4, "out");
  const KernelProfile profile = kernel_profile(device());
  run(profile, Attention{.q = {q, 0, kManyHeads * kDim},
                         .out = {out, 0, kManyHeads * kDim},
                         .positions = at,
                         .cache = {CacheType::kF32, 1, kDim, kPositions, {{cache, 0, layout, 0, kMany}}, kMany},
                         .sequences = {.one_token_each = true},
                         .query_heads = kManyHeads,
                         .head_dim = kDim,
                         .tokens = kMany,
                         .longest_context = 1});
  EXPECT_LE(worst_error(floats(out, expected.size()), expected, 1e-6, 1e-6), 1.0) << profile.name;
}

}  // namespace
}  // namespace regroup::test
