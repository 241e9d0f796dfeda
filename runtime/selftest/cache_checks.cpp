// Rotary positions with the store of K and V, and pooling of what a cache holds, in every cache type.
#include <algorithm>

#include "runtime/ops/pooling.h"
#include "runtime/ops/rope_store.h"
#include "runtime/selftest/check.h"
#include "runtime/selftest/reference/kv_cache.h"
#include "runtime/selftest/reference/rms_norm.h"
#include "runtime/selftest/reference/rope.h"
#include "runtime/selftest/sample_rows.h"

namespace regroup::selftest {
namespace {

using reference::CacheRegion;

// What rounding to the type may make of the elements of a row.
std::vector<reference::Expected> stored(CacheType type, std::span<const double> row) {
  std::vector<reference::Expected> out;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::size_t begin = i / 32 * 32;
    double largest = 0;
    for (std::size_t j = begin; j < std::min(begin + 32, row.size()); ++j) {
      largest = std::max(largest, std::fabs(row[j]));
    }
    double tolerance = 1e-5 + 2e-6 * largest;
    if (type == CacheType::kF16) tolerance += std::fabs(row[i]) / 2048;
    if (type == CacheType::kQ8_0) tolerance += largest / 127 * 0.5 + largest / 2048;
    if (type == CacheType::kQ4_0) tolerance += largest / 8 + largest / 2048;
    out.push_back({row[i], tolerance});
  }
  return out;
}

void check_store(CheckRun& run, CacheType type, RopeLayout rope_layout, bool norm) {
  constexpr std::uint32_t kHeads = 6, kGroups = 2, kDim = 64, kTokens = 3, kCapacity = 32, kFirst = 5;
  constexpr std::uint32_t kQ = kHeads * kDim, kKv = kGroups * kDim, kStride = kQ + 2 * kKv + 4;
  const std::vector<float> rows = noise(kTokens * kStride, 1), q_gain = noise(kDim, 2), k_gain = noise(kDim, 3);
  std::vector<float> table(kCapacity * kDim);
  for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
    table[i] = std::cos(0.37f * static_cast<float>(i));
    table[i + 1] = std::sin(0.37f * static_cast<float>(i));
  }
  std::vector<std::uint32_t> positions(kTokens);
  for (std::uint32_t t = 0; t < kTokens; ++t) positions[t] = kFirst + t;
  Buffer& buffer = run.upload(rows);
  const KvCacheLayout layout{type, kGroups, kDim, kCapacity};
  Buffer& cache_buffer = run.upload(std::vector<std::byte>(layout.bytes(), std::byte{0xa5}));
  RopeStore op{.q = {buffer, 0, kStride},
               .k = {buffer, kQ, kStride},
               .v = {buffer, kQ + kKv, kStride},
               .positions = run.upload(positions),
               .rope_table = run.upload(table),
               .norm_epsilon = 1e-6f,
               .cache = {type, kGroups, kDim, kCapacity, {{cache_buffer, 0, layout}}},
               .query_heads = kHeads,
               .head_dim = kDim,
               .rotary_dims = kDim,
               .layout = rope_layout,
               .tokens = kTokens};
  if (norm) {
    op.q_norm_gain = run.upload(q_gain);
    op.k_norm_gain = run.upload(k_gain);
  }
  run.run(op);
  const std::vector<float> got = run.read<float>(buffer, rows.size());
  const auto cache = run.read<std::byte>(cache_buffer, layout.bytes());
  for (std::uint32_t t = 0; t < kTokens; ++t) {
    const auto turned = [&](std::uint32_t at, const std::vector<float>& gain) {
      const std::span<const float> head = std::span(rows).subspan(t * kStride + at, kDim);
      const std::vector<double> normed =
          norm ? reference::rms_norm(head, gain, 1e-6) : std::vector<double>(head.begin(), head.end());
      return reference::rope(normed, std::span(table).subspan(std::size_t{positions[t]} * kDim, kDim),
                             rope_layout == RopeLayout::kInterleaved);
    };
    for (std::uint32_t h = 0; h < kHeads; ++h) {
      run.near(std::span(got).subspan(t * kStride + h * kDim, kDim), stored(CacheType::kF32, turned(h * kDim, q_gain)));
    }
    for (std::uint32_t g = 0; g < kGroups; ++g) {
      const auto keys = reference::read_cache_row(layout, cache, CacheRegion::kKeys, g, positions[t]);
      run.near(keys, stored(type, turned(kQ + g * kDim, k_gain)));
      const auto v = std::span(rows).subspan(t * kStride + kQ + kKv + g * kDim, kDim);
      const auto values = reference::read_cache_row(layout, cache, CacheRegion::kValues, g, positions[t]);
      run.near(values, stored(type, std::vector<double>(v.begin(), v.end())));
    }
  }
}

void check_pool(CheckRun& run, CacheType from, CacheType to) {
  constexpr std::uint32_t kHeads = 6, kGroups = 2, kDim = 64, kCapacity = 32, kCount = 5;
  const KvCacheLayout source{from, kHeads, kDim, kCapacity}, target{to, kGroups, kDim, kCapacity};
  std::vector<std::byte> bytes(source.bytes());
  for (std::uint32_t h = 0; h < kHeads; ++h) {
    for (std::uint32_t p = 0; p < kCount; ++p) {
      reference::write_cache_row(source, bytes, CacheRegion::kKeys, h, p, noise(kDim, 1000 * h + 2 * p));
      reference::write_cache_row(source, bytes, CacheRegion::kValues, h, p, noise(kDim, 1000 * h + 2 * p + 1));
    }
  }
  std::vector<PoolTerm> terms;
  for (std::uint32_t h = 0; h < kHeads; ++h) terms.push_back({h * kGroups / kHeads, h, 1.0f / 3});
  Buffer& source_buffer = run.upload(bytes);
  Buffer& target_buffer = run.upload(std::vector<std::byte>(target.bytes(), std::byte{0xa5}));
  run.run(PoolCache{.source = {from, kHeads, kDim, kCapacity, {{source_buffer, 0, source}}},
                    .target = {to, kGroups, kDim, kCapacity, {{target_buffer, 0, target}}},
                    .count = kCount,
                    .terms = terms,
                    .terms_buffer = run.upload(encode_pool_terms(terms, kGroups))});
  const auto pooled = run.read<std::byte>(target_buffer, target.bytes());
  for (const CacheRegion region : {CacheRegion::kKeys, CacheRegion::kValues}) {
    for (std::uint32_t g = 0; g < kGroups; ++g) {
      for (std::uint32_t p = 0; p < kCount; ++p) {
        std::vector<double> expected(kDim);
        for (const PoolTerm& term : terms) {
          if (term.target != g) continue;
          const auto head = reference::read_cache_row(source, bytes, region, term.source, p);
          for (std::uint32_t i = 0; i < kDim; ++i) expected[i] += double{term.factor} * head[i];
        }
        run.near(reference::read_cache_row(target, pooled, region, g, p), stored(to, expected));
      }
    }
  }
}

}  // namespace

void add_cache_checks(std::vector<Check>& checks, const KernelNeeds& needs) {
  for (const CacheType type : needs.cache_types) {
    const std::string name(cache_type_name(type));
    checks.push_back({"rope and store " + name, [type, thorough = needs.thorough](CheckRun& run) {
                        for (const bool norm : {false, true}) {
                          check_store(run, type, RopeLayout::kInterleaved, norm);
                          if (thorough) check_store(run, type, RopeLayout::kHalfSplit, norm);
                        }
                      }});
    for (const CacheType source : needs.cache_types) {
      checks.push_back({fmt::format("pool cache {} to {}", cache_type_name(source), name),
                        [source, type](CheckRun& run) { check_pool(run, source, type); }});
    }
  }
}

}  // namespace regroup::selftest
