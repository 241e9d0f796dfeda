// Attention over a cache of every type: alone, split over positions, for several tokens, with and without groups.
#include "runtime/ops/attention.h"
#include "runtime/selftest/check.h"
#include "runtime/selftest/reference/attention.h"
#include "runtime/selftest/reference/kv_cache.h"
#include "runtime/selftest/sample_rows.h"

namespace regroup::selftest {
namespace {

using reference::CacheRegion;

struct Problem {
  reference::AttentionShape shape;
  std::uint32_t splits = 1;
};

reference::AttentionShape shape(std::uint32_t heads, std::uint32_t groups, std::uint32_t dim, std::uint32_t first,
                                std::uint32_t tokens = 1) {
  return {.query_heads = heads,
          .groups = groups,
          .head_dim = dim,
          .tokens = tokens,
          .first_position = first,
          .scale = 1.0 / std::sqrt(double{1} * dim)};
}

void check_attention(CheckRun& run, CacheType type, const Problem& problem) {
  const reference::AttentionShape& s = problem.shape;
  const std::uint32_t length = s.first_position + s.tokens;
  const KvCacheLayout layout{type, s.groups, s.head_dim, (length + kPositionStep - 1) / kPositionStep * kPositionStep};
  std::vector<std::byte> bytes(layout.bytes(), std::byte{0xff});  // NaNs past the end, where the type has any
  std::vector<float> k, v;
  for (std::uint32_t g = 0; g < s.groups; ++g) {
    for (std::uint32_t p = 0; p < length; ++p) {
      reference::write_cache_row(layout, bytes, CacheRegion::kKeys, g, p, noise(s.head_dim, 7000 + 200 * g + p));
      reference::write_cache_row(layout, bytes, CacheRegion::kValues, g, p,
                                 noise(s.head_dim, 9000 + 200 * g + p, 0.5f));
      const auto key = reference::read_cache_row(layout, bytes, CacheRegion::kKeys, g, p);
      const auto value = reference::read_cache_row(layout, bytes, CacheRegion::kValues, g, p);
      k.insert(k.end(), key.begin(), key.end());
      v.insert(v.end(), value.begin(), value.end());
    }
  }
  const std::uint32_t width = s.query_heads * s.head_dim;
  const std::vector<float> q = noise(std::size_t{s.tokens} * width, 3);
  std::vector<std::uint32_t> positions;
  for (std::uint32_t t = 0; t < s.tokens; ++t) positions.push_back(s.first_position + t);
  Buffer& cache = run.upload(bytes);
  Buffer& out = run.upload(std::vector<float>(q.size(), NAN));
  Buffer& scratch = run.arena().buffer(
      attention_scratch_bytes(run.device(), run.profile(), s.query_heads, s.head_dim, s.tokens), "self-test");
  run.run(Attention{.q = {run.upload(q), 0, width},
                    .out = {out, 0, width},
                    .positions = run.upload(positions),
                    .cache = {type, s.groups, s.head_dim, layout.capacity, {{cache, 0, layout}}},
                    .query_heads = s.query_heads,
                    .head_dim = s.head_dim,
                    .tokens = s.tokens,
                    .scale = static_cast<float>(s.scale),
                    .soft_cap = static_cast<float>(s.soft_cap),
                    .window = s.window,
                    .longest_context = length,
                    .scratch = scratch,
                    .splits = problem.splits});
  // Scores of size S carry a relative error of S * 2^-22 or so; values are of size 1, with outliers.
  run.near(run.read<float>(out, q.size()), reference::attention(s, q, k, v), 1e-4, 2e-5);
}

}  // namespace

void add_attention_checks(std::vector<Check>& checks, const KernelNeeds& needs) {
  for (const CacheType type : needs.cache_types) {
    checks.push_back(
        {fmt::format("attention {}", cache_type_name(type)), [type, thorough = needs.thorough](CheckRun& run) {
           // One row, four and eight per workgroup; whole, split and merged; a prompt.
           check_attention(run, type, {shape(2, 2, 64, 40)});
           check_attention(run, type, {shape(6, 2, 64, 76), 3});
           check_attention(run, type, {shape(6, 2, 64, 20, 9)});
           if (!thorough) return;
           check_attention(run, type, {shape(8, 1, 128, 33)});
           check_attention(run, type, {shape(9, 3, 96, 300), 2});
           check_attention(run, type, {shape(14, 2, 32, 0, 5)});
           auto limited = shape(4, 4, 256, 50, 3);
           limited.window = 8;
           limited.soft_cap = 5;
           check_attention(run, type, {limited});
         }});
  }
}

}  // namespace regroup::selftest
