// Products with weights, embedding and pooling of weights, in every format.
#include "runtime/ops/embedding.h"
#include "runtime/ops/linear.h"
#include "runtime/ops/pooling.h"
#include "runtime/ops/rope_store.h"
#include "runtime/selftest/check.h"
#include "runtime/selftest/reference/kv_cache.h"
#include "runtime/selftest/sample_rows.h"

namespace regroup::selftest {
namespace {

struct Product {
  std::uint32_t rows = 67, columns = 256, tokens = 1;
  bool norm = false, bias = false, accumulate = false;
  GatedActivation gated = GatedActivation::kNone;
};

void check_product(CheckRun& run, WeightFormat format, const Product& p) {
  const SampleMatrix weights(format, p.rows, p.columns, p.tokens);
  Linear op;
  op.weight = upload_matrix(run.device(), run.arena(), {format, p.rows, p.columns, run.profile().panel_rows}, weights,
                            "self-test");
  const std::uint32_t padded = (p.columns + 31) / 32 * 32;
  const std::uint32_t outputs = p.gated == GatedActivation::kNone ? p.rows : p.rows / 2;
  op.tokens = p.tokens;
  op.gated = p.gated;
  op.accumulate = p.accumulate;
  op.x.stride = padded + 4;
  op.y.stride = (outputs + 3) / 4 * 4 + 4;
  const std::vector<float> x = noise(std::size_t{p.tokens} * op.x.stride, 1);
  const std::vector<float> y = noise(std::size_t{p.tokens} * op.y.stride, 2);
  op.x.buffer = run.upload(x);
  op.y.buffer = run.upload(y);
  std::vector<float> gain, bias;
  if (p.norm) {
    gain = noise(p.columns, 3);
    std::vector<float> padded_gain = gain;
    padded_gain.resize(padded, 0.0f);
    op.norm_gain = run.upload(padded_gain);
    op.norm_epsilon = 1e-5f;
  }
  if (p.bias) {
    bias = noise(p.rows, 4);
    op.bias = run.upload(bias);
  }
  run.run(op);
  const std::vector<float> got = run.read<float>(op.y.buffer, y.size());
  for (std::uint32_t t = 0; t < p.tokens; ++t) {
    std::vector<reference::Expected> expected =
        reference::linear({.rows = p.rows,
                           .columns = p.columns,
                           .weight = weights.values(0, p.rows),
                           .x = std::span(x).subspan(std::size_t{t} * op.x.stride, p.columns),
                           .gain = gain,
                           .epsilon = op.norm_epsilon,
                           .bias = bias,
                           .gated = p.gated});
    const std::size_t row = std::size_t{t} * op.y.stride;
    for (std::uint32_t i = 0; p.accumulate && i < outputs; ++i) {
      expected[i].value += y[row + i];
      expected[i].tolerance += 2e-7 * std::fabs(double{y[row + i]});
    }
    run.near(std::span(got).subspan(row, outputs), expected);
    run.same(std::span(got).subspan(row + outputs, op.y.stride - outputs),
             std::span(y).subspan(row + outputs, op.y.stride - outputs));
  }
}

// The product of a token's queries, keys and values with rotation and store in it, in families that have it.
void check_product_with_store(CheckRun& run, WeightFormat format, CacheType type) {
  constexpr std::uint32_t kDim = 32, kHeads = 2, kQ = kHeads * kDim, kRows = kQ + 2 * kDim, kColumns = 256;
  constexpr std::uint32_t kCapacity = 32, kPosition = 5;
  const KvCacheLayout layout{type, 1, kDim, kCapacity};
  Linear op{.weight = {format, kRows, kColumns, run.profile().panel_rows, {}}, .norm_epsilon = 1e-5f};
  Buffer& y = run.upload(std::vector<float>(kRows, NAN));
  op.y = {y, 0, kRows};
  RopeStore store{.q = {y, 0, kRows},
                  .k = {y, kQ, kRows},
                  .v = {y, kQ + kDim, kRows},
                  .query_heads = kHeads,
                  .head_dim = kDim,
                  .rotary_dims = kDim};
  Buffer& cache = run.upload(std::vector<std::byte>(layout.bytes(), std::byte{0xa5}));
  store.cache = {type, 1, kDim, kCapacity, {{cache, 0, layout}}};
  if (!takes_rope_store(run.profile(), op, store)) return;
  const SampleMatrix weights(format, kRows, kColumns, 7);
  const std::vector<float> x = noise(kColumns, 1), gain = noise(kColumns, 2);
  std::vector<float> table(kCapacity * kDim);
  for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
    table[i] = std::cos(0.37f * static_cast<float>(i));
    table[i + 1] = std::sin(0.37f * static_cast<float>(i));
  }
  op.weight = upload_matrix(run.device(), run.arena(), op.weight.layout(), weights, "self-test");
  op.x = {run.upload(x), 0, kColumns};
  op.norm_gain = run.upload(gain);
  store.positions = run.upload(std::vector<std::uint32_t>{kPosition});
  store.rope_table = run.upload(table);
  op.rope_store = &store;
  run.run(op);
  const std::vector<float> got = run.read<float>(y, kRows);
  std::vector<reference::Expected> rows = reference::linear({.rows = kRows,
                                                             .columns = kColumns,
                                                             .weight = weights.values(0, kRows),
                                                             .x = x,
                                                             .gain = gain,
                                                             .epsilon = op.norm_epsilon,
                                                             .bias = {}});
  run.near(std::span(got).subspan(kQ), std::span(rows).subspan(kQ));
  for (std::uint32_t r = 0; r < kQ + kDim; r += 2) {
    const double cosine = table[kPosition * kDim + r % kDim], sine = table[kPosition * kDim + r % kDim + 1];
    const double a = rows[r].value, b = rows[r + 1].value;
    const double tolerance = rows[r].tolerance + rows[r + 1].tolerance + 2e-7 * (std::fabs(a) + std::fabs(b));
    rows[r] = {a * cosine - b * sine, tolerance};
    rows[r + 1] = {a * sine + b * cosine, tolerance};
  }
  run.near(std::span(got).first(kQ), std::span(rows).first(kQ));
  for (std::size_t r = kQ; type == CacheType::kF16 && r < kRows; ++r) {
    rows[r].tolerance += std::fabs(rows[r].value) / 2048;
  }
  const auto bytes = run.read<std::byte>(cache, layout.bytes());
  run.near(reference::read_cache_row(layout, bytes, reference::CacheRegion::kKeys, 0, kPosition),
           std::span(rows).subspan(kQ, kDim));
  run.near(reference::read_cache_row(layout, bytes, reference::CacheRegion::kValues, 0, kPosition),
           std::span(rows).subspan(kQ + kDim, kDim));
}

void check_embedding(CheckRun& run, WeightFormat format) {
  constexpr std::uint32_t kRows = 67, kColumns = 256;
  const SampleMatrix table(format, kRows, kColumns);
  const std::vector<std::uint32_t> ids = {66, 0, 5, 31};
  const std::vector<float> before(ids.size() * kColumns, NAN);
  Buffer& y = run.upload(before);
  run.run(Embedding{.table = upload_matrix(run.device(), run.arena(),
                                           {format, kRows, kColumns, run.profile().panel_rows}, table, "self-test"),
                    .tokens = run.upload(ids),
                    .y = {y, 0, kColumns},
                    .token_count = static_cast<std::uint32_t>(ids.size()),
                    .scale = 1.5f});
  const std::vector<float> got = run.read<float>(y, before.size());
  for (std::size_t t = 0; t < ids.size(); ++t) {
    const auto row = table.values(ids[t], 1);
    std::vector<double> expected(row.begin(), row.end());
    for (double& value : expected) value *= 1.5;
    run.near(std::span(got).subspan(t * kColumns, kColumns), expected, 0, 1e-6);
  }
}

void check_pooling(CheckRun& run, WeightFormat format) {
  constexpr std::uint32_t kHeads = 6, kGroups = 2, kDim = 32, kColumns = 256;
  const SampleMatrix source(format, kHeads * kDim, kColumns);
  std::vector<PoolTerm> terms;
  for (std::uint32_t h = 0; h < kHeads; ++h) terms.push_back({h * kGroups / kHeads, h, h == 1 ? 0.5f : 1.0f / 3});
  const PanelLayout target_layout{WeightFormat::kF32, kGroups * kDim, kColumns, run.profile().panel_rows};
  const WeightMatrix target = allocate_matrix(run.device(), run.arena(), target_layout, "self-test");
  run.run(PoolWeights{
      .source = upload_matrix(run.device(), run.arena(), {format, kHeads * kDim, kColumns, run.profile().panel_rows},
                              source, "self-test"),
      .target = target,
      .head_dim = kDim,
      .terms = terms,
      .terms_buffer = run.upload(encode_pool_terms(terms, kGroups))});
  std::vector<double> expected(std::size_t{kGroups} * kDim * kColumns);
  double magnitude = 0;
  for (const PoolTerm& term : terms) {
    const auto head = source.values(term.source * kDim, kDim);
    for (std::size_t i = 0; i < head.size(); ++i) {
      expected[term.target * head.size() + i] += double{term.factor} * head[i];
      magnitude = std::max(magnitude, std::fabs(double{head[i]}));
    }
  }
  const auto panels = run.read<std::byte>(target.slices.at(0).panels, target_layout.bytes());
  std::vector<float> got(expected.size());
  for (std::uint32_t r = 0; r < kGroups * kDim; ++r) {
    for (std::uint32_t k = 0; k < kColumns; ++k) got[r * kColumns + k] = packed_weight(target_layout, panels, r, k);
  }
  run.near(got, expected, 1e-6 * magnitude, 1e-6);
}

}  // namespace

void add_product_checks(std::vector<Check>& checks, const KernelNeeds& needs) {
  for (const WeightFormat format : needs.formats) {
    const std::string name(format_info(format).name);
    checks.push_back({"linear " + name, [format](CheckRun& run) {
                        check_product(run, format, {.norm = true, .bias = true});
                        // Whole tiles of many tokens and few, each a kernel of its own.
                        check_product(run, format, {.tokens = 16, .accumulate = true});
                        check_product(run, format, {.tokens = 3});
                        if (run.profile().shape == ProductShape::kColumnsPerLane) {
                          check_product(run, format, {.tokens = 29});
                        }
                      }});
    for (const CacheType type : needs.cache_types) {
      checks.push_back({fmt::format("linear {} with rope and store {}", name, cache_type_name(type)),
                        [format, type](CheckRun& run) { check_product_with_store(run, format, type); }});
    }
    checks.push_back({"embedding " + name, [format](CheckRun& run) { check_embedding(run, format); }});
    checks.push_back({"pool weights " + name, [format](CheckRun& run) { check_pooling(run, format); }});
  }
  if (!needs.thorough) return;
  checks.push_back({"linear shapes", [](CheckRun& run) {
                      check_product(run, WeightFormat::kF32, {.rows = 3, .columns = 577, .norm = true});
                      check_product(run, WeightFormat::kF32, {.rows = 1, .columns = 1});
                      check_product(run, WeightFormat::kF32, {.rows = 65, .columns = 1312, .tokens = 37, .bias = true});
                      check_product(run, WeightFormat::kQ4_0, {.rows = 576, .columns = 1280, .norm = true});
                      for (const auto gated : {GatedActivation::kSilu, GatedActivation::kGeluTanh}) {
                        check_product(run, WeightFormat::kQ8_0, {.rows = 70, .norm = true, .gated = gated});
                        check_product(run, WeightFormat::kQ4_0, {.rows = 70, .tokens = 9, .gated = gated});
                      }
                    }});
}

}  // namespace regroup::selftest
