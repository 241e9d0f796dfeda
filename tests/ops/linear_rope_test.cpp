// The product that rotates and stores what it makes: bit-equal to the product followed by RopeStore, in y as in the
// cache, wherever a kernel family says that it can.
#include <numeric>

#include "runtime/ops/rope_store.h"
#include "runtime/selftest/sample_rows.h"
#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

struct Case {
  std::uint32_t query_heads, groups, head_dim, rotary_dims;
  CacheType type = CacheType::kF16;
  bool bias = false;
  bool split = false;  // queries, keys and values as three products
  std::uint32_t position = 5;
};

class LinearRopeDeviceTest : public ProfileTest {
 protected:
  static constexpr std::uint32_t kCapacity = 64, kColumns = 96;

  struct Result {
    std::vector<float> y;
    std::vector<std::uint32_t> cache;
  };

  // One token's queries, keys and values, in one dispatch or in two for each product.
  Result compute(const KernelProfile& profile, WeightFormat format, const Case& c, bool together) {
    const std::uint32_t queries = c.query_heads * c.head_dim, keys = c.groups * c.head_dim, rows = queries + 2 * keys;
    const selftest::SampleMatrix source(format, rows, kColumns);
    const WeightMatrix whole =
        upload_matrix(device(), arena_, {format, rows, kColumns, profile.panel_rows}, source, "qkv");
    Buffer& x = upload_new(noise(kColumns, 3));
    Buffer& y = upload_new(std::vector<float>(rows + 8, 7.0f));
    Buffer& bias = upload_new(noise(rows, 4));
    std::vector<float> angles(std::size_t{kCapacity} * c.rotary_dims);
    for (std::size_t i = 0; i < angles.size(); i += 2) {
      angles[i] = std::cos(0.37f * static_cast<float>(i));
      angles[i + 1] = std::sin(0.37f * static_cast<float>(i));
    }
    const KvCacheLayout layout{c.type, c.groups, c.head_dim, kCapacity};
    Buffer& cache = arena_.buffer(layout.bytes(), "cache");
    upload(device(), cache, std::vector<std::byte>(layout.bytes(), std::byte{0xa5}));
    const Activations qkv{y, 4, rows};
    RopeStore rope_store{.q = qkv,
                         .k = {y, 4 + queries, rows},
                         .v = {y, 4 + queries + keys, rows},
                         .positions = upload_new(std::vector<std::uint32_t>{c.position}),
                         .rope_table = upload_new(angles),
                         .cache = {c.type, c.groups, c.head_dim, kCapacity, {{cache, 0, layout}}},
                         .query_heads = c.query_heads,
                         .head_dim = c.head_dim,
                         .rotary_dims = c.rotary_dims};
    CommandList list(device());
    const std::uint32_t cuts[] = {0, queries, queries + keys, rows};
    for (std::uint32_t part = 0; part < (c.split ? 3u : 1u); ++part) {
      const std::uint32_t first = c.split ? cuts[part] : 0, end = c.split ? cuts[part + 1] : rows;
      Linear product{.weight = whole.row_range(first, end - first),
                     .x = {x, 0, kColumns},
                     .y = {y, 4 + first, rows},
                     .norm_gain = x,
                     .norm_epsilon = 1e-5f};
      if (c.bias) product.bias = BufferView(bias, std::uint64_t{4} * first, std::uint64_t{4} * (end - first));
      if (together) {
        EXPECT_TRUE(takes_rope_store(profile, product, rope_store));
        product.rope_store = &rope_store;
      }
      record(list, profile, product);
    }
    if (!together) record(list, profile, rope_store);
    list.run();
    return {floats(y, rows + 8), download_values<std::uint32_t>(device(), cache, layout.bytes() / 4)};
  }

  void check(const KernelProfile& profile, WeightFormat format, const Case& c) {
    SCOPED_TRACE(fmt::format("{} {}: {}/{} heads of {} (rotary {}), cache {}, bias {}, split {}, position {}",
                             profile.name, format_info(format).name, c.query_heads, c.groups, c.head_dim, c.rotary_dims,
                             cache_type_name(c.type), c.bias, c.split, c.position));
    const Result apart = compute(profile, format, c, false), together = compute(profile, format, c, true);
    EXPECT_EQ(apart.y, together.y);
    EXPECT_EQ(apart.cache, together.cache);
  }
};

TEST_F(LinearRopeDeviceTest, EqualsProductAndRopeStore) {
  for (const KernelProfile& profile : profiles()) {
    if (!profile.texel_loads) continue;
    check(profile, WeightFormat::kF32, {4, 4, 32, 32});
    check(profile, WeightFormat::kQ4_1, {9, 3, 64, 64});
    check(profile, WeightFormat::kQ8_0, {6, 2, 80, 40, CacheType::kF32});
    check(profile, WeightFormat::kF16, {14, 2, 32, 32, CacheType::kF16, true});
    check(profile, WeightFormat::kQ4_0, {4, 2, 96, 96, CacheType::kF32, true, true});
    // A matrix is only split between panels.
    if (96 % profile.panel_rows == 0) {
      check(profile, WeightFormat::kQ4_0, {4, 1, 96, 96, CacheType::kF32, true, true});
    }
    check(profile, WeightFormat::kF32, {8, 1, 128, 128, CacheType::kF16, false, true});
    check(profile, WeightFormat::kF32, {2, 2, 32, 32, CacheType::kF16, false, false, kCapacity});  // past the cache
  }
}

TEST_F(LinearRopeDeviceTest, IsLeftToItsOwnOpWhereItCannotBe) {
  const KernelProfile profile = kernel_profile(device());
  Buffer& rows = upload_new(std::vector<float>(256));
  const KvCacheLayout layout{CacheType::kF16, 1, 32, kCapacity};
  Buffer& cache = arena_.buffer(layout.bytes(), "cache");
  const RopeStore good{.q = {rows, 0, 96},
                       .k = {rows, 32, 96},
                       .v = {rows, 64, 96},
                       .cache = {CacheType::kF16, 1, 32, kCapacity, {{cache, 0, layout}}},
                       .query_heads = 1,
                       .head_dim = 32,
                       .rotary_dims = 32};
  Linear product{.weight = {WeightFormat::kF32, 96, kColumns, profile.panel_rows, {}}, .y = {rows, 0, 96}};
  EXPECT_EQ(takes_rope_store(profile, product, good), profile.texel_loads);
  RopeStore quantised = good;
  quantised.cache.type = CacheType::kQ8_0;
  EXPECT_FALSE(takes_rope_store(profile, product, quantised));
  RopeStore normed = good;
  normed.q_norm_gain = normed.k_norm_gain = rows;
  EXPECT_FALSE(takes_rope_store(profile, product, normed));
  product.tokens = 2;
  EXPECT_FALSE(takes_rope_store(profile, product, good));
}

}  // namespace
}  // namespace regroup::test
