// Products with every weight format under every kernel profile that the driver can run: odd shapes, token tiles and
// their remainders, strides, norm, bias, gate, accumulation, slices and row ranges. Tolerance: see reference::linear
// (2e-6 of the terms' magnitudes).
#include "runtime/ops/linear.h"

#include <array>
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/ops/folded_grid.h"
#include "runtime/selftest/reference/linear.h"
#include "tests/formats/samples.h"
#include "tests/support/device_fixture.h"
#include "tests/support/drivers.h"

namespace regroup::test {
namespace {

constexpr std::array<std::string_view, 6> kProfileNames = {"cpu-texel16", "cpu-texel8",   "cpu-ssbo4",
                                                           "cpu-plain",   "gpu-subgroup", "gpu-shared"};

// Noise of size 1 with an outlier in about one of fifty.
std::vector<float> noise(std::size_t count, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random) * (random() % 50 == 0 ? 30.0f : 1.0f);
  return values;
}

// Rows of weights of size about 0.1 in any format.
class Weights : public RowSource {
 public:
  Weights(WeightFormat format, std::uint32_t rows, std::uint32_t columns, std::mt19937& random) : columns_(columns) {
    for (std::uint32_t r = 0; r < rows; ++r) {
      std::vector<std::byte> bytes(row_bytes(format, columns));
      if (has_encoder(format)) {
        std::vector<float> values = noise(columns, random);
        for (float& value : values) value *= 0.1f;
        encode_row(format, values, bytes);
      } else {
        bytes = random_row(format, columns, random);
        for (std::size_t block = 0; block < bytes.size(); block += format_info(format).block_bytes) {
          for (const std::size_t offset : half_offsets(format)) {
            const std::uint16_t half = float_to_half(0.001f + 1e-6f * static_cast<float>(random() % 1000));
            std::memcpy(bytes.data() + block + offset, &half, sizeof half);
          }
        }
      }
      const std::size_t start = decoded_.size();
      decoded_.resize(start + columns);
      decode_row(format, bytes, std::span(decoded_).subspan(start));
      rows_.push_back(std::move(bytes));
    }
  }
  std::span<const std::byte> row(std::uint32_t index) const override { return rows_.at(index); }
  std::span<const float> values(std::uint32_t first_row, std::uint32_t count) const {
    return std::span(decoded_).subspan(std::size_t{first_row} * columns_, std::size_t{count} * columns_);
  }

 private:
  std::uint32_t columns_;
  std::vector<std::vector<std::byte>> rows_;
  std::vector<float> decoded_;
};

struct Case {
  std::uint32_t rows = 65;
  std::uint32_t columns = 256;
  std::uint32_t tokens = 1;
  bool norm = false;
  bool bias = false;
  GatedActivation gated = GatedActivation::kNone;
  bool accumulate = false;
  std::uint32_t extra = 0;         // floats before and between rows of x and y
  std::uint32_t slice_panels = 0;  // > 0: slices of so many panels, each behind a panel of something else
  std::uint32_t first_row = 0;     // > 0: only rows from here on (a row range)

  std::string name() const {
    return fmt::format(
        "rows {} columns {} tokens {} norm {} bias {} gated {} accumulate {} extra {} slice_panels {} first_row {}",
        rows, columns, tokens, norm, bias, static_cast<int>(gated), accumulate, extra, slice_panels, first_row);
  }
};

class LinearTest : public DeviceTest {
 protected:
  // The matrix in one buffer, or by hand in slices that start after a panel of noise.
  WeightMatrix upload_weights(Arena& arena, const PanelLayout& layout, const Weights& weights,
                              std::uint32_t slice_panels) {
    if (slice_panels == 0) return upload_matrix(device(), arena, layout, weights, "weights");
    WeightMatrix matrix{layout.format, layout.rows, layout.columns, layout.panel_rows, {}};
    std::vector<std::byte> packed(layout.bytes());
    pack_panels(layout, weights, 0, layout.panels(), packed);
    for (std::uint32_t panel = 0; panel < layout.panels(); panel += slice_panels) {
      const std::uint32_t count = std::min(slice_panels, layout.panels() - panel);
      const std::uint32_t first_row = panel * layout.panel_rows;
      Buffer& buffer = arena.buffer((count + 1) * layout.panel_bytes(), "slice");
      upload(device(), buffer, std::vector<std::byte>(layout.panel_bytes(), std::byte{0x3c}));
      upload(device(), buffer, std::span(packed).subspan(panel * layout.panel_bytes(), count * layout.panel_bytes()),
             layout.panel_bytes());
      matrix.slices.push_back({buffer, 1, first_row, std::min(layout.rows - first_row, count * layout.panel_rows)});
    }
    return matrix;
  }

  void run(const KernelProfile& profile, WeightFormat format, const Case& c) {
    SCOPED_TRACE(fmt::format("{} {} {}", profile.name, format_info(format).name, c.name()));
    std::mt19937 random(c.rows * 131 + c.columns + c.tokens);
    Arena arena(device(), MemoryUse::kDevice, "linear");
    const Weights weights(format, c.rows, c.columns, random);
    const PanelLayout layout{format, c.rows, c.columns, profile.panel_rows};
    WeightMatrix matrix = upload_weights(arena, layout, weights, c.slice_panels);
    const std::uint32_t rows = c.rows - c.first_row;
    if (c.first_row > 0) matrix = matrix.row_range(c.first_row, rows);

    const std::uint32_t padded = (c.columns + 31) / 32 * 32;
    const std::uint32_t outputs = c.gated == GatedActivation::kNone ? rows : rows / 2;
    Linear op;
    op.weight = matrix;
    op.tokens = c.tokens;
    op.gated = c.gated;
    op.accumulate = c.accumulate;
    op.x.offset = op.y.offset = c.extra;
    op.x.stride = padded + c.extra;
    op.y.stride = (outputs + 3) / 4 * 4 + c.extra;

    // Exactly as long as promised; padding columns hold numbers that must not count.
    std::vector<float> x = noise(op.x.offset + std::size_t{c.tokens - 1} * op.x.stride + padded, random);
    const std::vector<float> y = noise(op.y.offset + std::size_t{c.tokens - 1} * op.y.stride + outputs, random);
    Buffer& x_buffer = arena.buffer(x.size() * 4, "x");
    Buffer& y_buffer = arena.buffer(y.size() * 4, "y");
    upload_values<float>(device(), x_buffer, x);
    upload_values<float>(device(), y_buffer, y);
    op.x.buffer = x_buffer;
    op.y.buffer = y_buffer;

    std::vector<float> gain, bias;
    if (c.norm) {
      gain = noise(c.columns, random);
      std::vector<float> padded_gain = gain;
      padded_gain.resize(padded, 0.0f);
      Buffer& buffer = arena.buffer(padded * 4, "gain");
      upload_values<float>(device(), buffer, padded_gain);
      op.norm_gain = buffer;
      op.norm_epsilon = 1e-5f;
    }
    if (c.bias) {
      bias = noise(rows, random);
      Buffer& buffer = arena.buffer(rows * 4, "bias");
      upload_values<float>(device(), buffer, bias);
      op.bias = buffer;
    }

    CommandList list(device());
    record(list, profile, op);
    list.run();
    const std::vector<float> result = download_values<float>(device(), y_buffer, y.size());

    std::vector<float> untouched = y;
    int failures = 0;
    for (std::uint32_t t = 0; t < c.tokens && failures < 4; ++t) {
      const std::vector<reference::Expected> expected =
          reference::linear({.rows = rows,
                             .columns = c.columns,
                             .weight = weights.values(c.first_row, rows),
                             .x = std::span(x).subspan(op.x.offset + std::size_t{t} * op.x.stride, c.columns),
                             .gain = gain,
                             .epsilon = op.norm_epsilon,
                             .bias = bias,
                             .gated = c.gated});
      for (std::uint32_t i = 0; i < outputs && failures < 4; ++i) {
        const std::size_t at = op.y.offset + std::size_t{t} * op.y.stride + i;
        const double want = expected[i].value + (c.accumulate ? double{y[at]} : 0.0);
        const double tolerance = expected[i].tolerance + (c.accumulate ? 2e-7 * std::abs(double{y[at]}) : 0.0);
        if (!(std::abs(result[at] - want) <= tolerance)) {
          ADD_FAILURE() << "token " << t << " row " << i << ": " << result[at] << ", expected " << want << " +- "
                        << tolerance;
          ++failures;
        }
        untouched[at] = result[at];
      }
    }
    if (failures == 0) {
      EXPECT_EQ(result, untouched) << "wrote outside of its rows";
    }
  }

  // Runs `body` for every profile that this driver can run.
  template <typename Body>
  void for_each_profile(Body body) {
    for (const std::string_view name : kProfileNames) {
      std::optional<KernelProfile> profile;
      try {
        profile = kernel_profile_named(device(), name);
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), ErrorCode::kUsage);
        continue;
      }
      body(*profile);
    }
  }
};

class LinearFormatTest : public LinearTest, public ::testing::WithParamInterface<WeightFormat> {};

TEST_P(LinearFormatTest, OneToken) {
  for_each_profile([&](const KernelProfile& profile) {
    run(profile, GetParam(), {.rows = 65, .columns = 768, .norm = true, .bias = true, .extra = 4});
  });
}

TEST_P(LinearFormatTest, Tokens) {
  // 13 = 8 + 4 + 1 exercises every tile of every profile.
  for_each_profile([&](const KernelProfile& profile) {
    run(profile, GetParam(), {.rows = 65, .columns = 768, .tokens = 13, .bias = true, .accumulate = true, .extra = 4});
  });
}

INSTANTIATE_TEST_SUITE_P(All, LinearFormatTest, ::testing::ValuesIn(every_format()), format_name);

// Shapes, epilogues and slices do not depend on the format's decoder: two formats, one of which may have any number of
// columns, stand for all.
TEST_F(LinearTest, OddShapes) {
  for_each_profile([&](const KernelProfile& profile) {
    for (const std::uint32_t rows : {1u, 3u, 65u, 576u}) {
      for (const std::uint32_t columns : {1u, 31u, 32u, 64u, 96u, 288u, 577u}) {
        run(profile, WeightFormat::kF32, {.rows = rows, .columns = columns, .norm = columns % 2 == 1});
        if (columns % 32 == 0)
          run(profile, WeightFormat::kQ4_0, {.rows = rows, .columns = columns, .norm = rows == 65});
      }
    }
  });
}

// Rows of 66 and 40 blocks, so that every number of invocations is one of its own for the first.
TEST_F(LinearTest, InvocationsThatShareRows) {
  std::vector<std::string> names = {"gpu-shared/32", "gpu-shared/64", "gpu-shared/128"};
  if (device().features().subgroup_arithmetic) {
    names.insert(names.end(), {"gpu-subgroup/32", "gpu-subgroup/64", "gpu-subgroup/128"});
  }
  for (const std::string& name : names) {
    const KernelProfile profile = kernel_profile_named(device(), name);
    EXPECT_EQ(profile.variant_name(), name.ends_with("/64") ? name.substr(0, name.size() - 3) : name);
    EXPECT_EQ(std::to_string(decode_workgroup(profile, 66)), name.substr(name.find('/') + 1));
    EXPECT_EQ(decode_workgroup(profile, 40), std::min(profile.decode_lanes, 64u));
    for (const std::uint32_t columns : {66u * 32, 40u * 32}) {
      run(profile, WeightFormat::kQ4_0, {.rows = 7, .columns = columns, .norm = true});
      run(profile, WeightFormat::kF32, {.rows = 7, .columns = columns, .tokens = 3, .accumulate = true});
    }
  }
  EXPECT_THROW(kernel_profile_named(device(), "gpu-shared/16"), Error);
  EXPECT_THROW(kernel_profile_named(device(), "cpu-plain/64"), Error);
}

TEST_F(LinearTest, EveryNumberOfTokens) {
  for_each_profile([&](const KernelProfile& profile) {
    for (const std::uint32_t tokens : {2u, 4u, 5u, 7u, 8u, 9u, 12u, 32u, 33u, 70u}) {
      run(profile, WeightFormat::kQ4_0, {.rows = 67, .columns = 96, .tokens = tokens, .extra = 8});
      run(profile, WeightFormat::kF32, {.rows = 35, .columns = 70, .tokens = tokens, .bias = true});
    }
  });
}

TEST_F(LinearTest, GatesNeighbouringRows) {
  for_each_profile([&](const KernelProfile& profile) {
    for (const GatedActivation gated : {GatedActivation::kSilu, GatedActivation::kGeluTanh}) {
      for (const std::uint32_t tokens : {1u, 3u, 8u, 34u}) {
        run(profile, WeightFormat::kQ4_0,
            {.rows = 70, .columns = 64, .tokens = tokens, .norm = tokens == 1, .gated = gated});
        run(profile, WeightFormat::kF32,
            {.rows = 2, .columns = 32, .tokens = tokens, .bias = true, .gated = gated, .accumulate = true});
      }
    }
  });
}

TEST_F(LinearTest, SlicesAndRowRanges) {
  for_each_profile([&](const KernelProfile& profile) {
    // Slices of two panels (with row-major panels: of two rows), rows from the second panel on, with everything that is
    // counted by row.
    const std::uint32_t first_row = std::max(profile.panel_rows, 2u);
    for (const std::uint32_t tokens : {1u, 13u}) {
      const Case whole{.rows = 5 * first_row + 2,
                       .columns = 288,
                       .tokens = tokens,
                       .bias = true,
                       .accumulate = true,
                       .slice_panels = 2};
      run(profile, WeightFormat::kQ4_1, whole);
      Case range = whole;
      range.first_row = first_row;
      range.gated = GatedActivation::kSilu;
      run(profile, WeightFormat::kQ4_1, range);
    }
  });
}

// More groups of rows than a grid's x may hold: a matrix of one block per row. With panels it would take millions of
// rows; their grid is folded by the same lines.
TEST_F(LinearTest, MoreThan65535Workgroups) {
  run(kernel_profile_named(device(), "gpu-shared"), WeightFormat::kQ4_0, {.rows = 2 * 65535 + 5, .columns = 32});
  const auto driver = expected_driver();
  if (driver && driver->name == "swiftshader") return;  // on which this takes a quarter of a minute more
  if (!device().features().subgroup_arithmetic) return;
  const KernelProfile subgroup = kernel_profile_named(device(), "gpu-subgroup");
  run(subgroup, WeightFormat::kQ4_0, {.rows = 4 * 65535 + 5, .columns = 32, .tokens = 6});
}

TEST(FoldedGrid, CoversAllWorkgroupsWithFewToSpare) {
  for (const std::uint64_t groups : {1ull, 65535ull, 65536ull, 75968ull, 131071ull, 200000ull, 65535ull * 65535}) {
    const Groups grid = folded_grid(groups);
    const std::uint64_t all = std::uint64_t{grid.x} * grid.y;
    EXPECT_LE(grid.x, 65535u);
    EXPECT_GE(all, groups);
    EXPECT_LT(all, groups + grid.y) << groups;
  }
  EXPECT_EQ(folded_grid(65535).y, 1u);
  EXPECT_THROW(folded_grid(0), std::logic_error);
  EXPECT_THROW(folded_grid(65535ull * 65535 + 1), std::logic_error);
}

// A product that the budget spreads over several dispatches gives the same numbers. A device of its own: estimates
// learn.
TEST_F(LinearTest, LongProductsAreCut) {
  const std::unique_ptr<Device> own = Device::open(shared_instance());
  const KernelProfile profile = kernel_profile(*own);
  constexpr std::uint32_t kRows = 1000, kColumns = 512, kTokens = 16;
  std::mt19937 random(1);
  Arena arena(*own, MemoryUse::kDevice, "linear");
  const Weights weights(WeightFormat::kQ4_0, kRows, kColumns, random);
  Linear op;
  op.weight =
      upload_matrix(*own, arena, {WeightFormat::kQ4_0, kRows, kColumns, profile.panel_rows}, weights, "weights");
  op.tokens = kTokens;
  const std::vector<float> x = noise(kTokens * kColumns, random);
  Buffer& x_buffer = arena.buffer(x.size() * 4, "x");
  upload_values<float>(*own, x_buffer, x);
  op.x = {x_buffer, 0, kColumns};
  std::vector<std::vector<float>> results;
  std::vector<std::size_t> dispatches;
  // 16 million operations are 1.6 ms in a CPU driver's first estimate, less in a GPU's.
  for (const double max_ms : {1.0, 1e6}) {
    Buffer& y = arena.buffer(kTokens * kRows * 4, "y");
    op.y = {y, 0, kRows};
    own->budget().configure(max_ms, true);
    CommandList list(*own);
    record(list, profile, op);
    dispatches.push_back(list.dispatch_count());
    list.run();
    results.push_back(download_values<float>(*own, y, kTokens * kRows));
  }
  EXPECT_EQ(dispatches, (std::vector<std::size_t>{2, 1}));
  EXPECT_EQ(results[0], results[1]);
}

TEST_F(LinearTest, RefusesWhatItCannotDo) {
  const KernelProfile profile = kernel_profile(device());
  Arena arena(device(), MemoryUse::kDevice, "linear");
  Buffer& vector = arena.buffer(4096, "vector");
  Linear op;
  op.weight = allocate_matrix(device(), arena, {WeightFormat::kF32, 33, 40, profile.panel_rows}, "weights");
  op.x = {vector, 0, 64};
  op.y = {vector, 512, 36};
  CommandList list(device());
  EXPECT_NO_THROW(record(list, profile, op));
  Linear wrong = op;
  wrong.x.offset = 2;
  EXPECT_THROW(record(list, profile, wrong), std::logic_error);
  wrong = op;
  wrong.gated = GatedActivation::kSilu;  // an odd number of rows
  EXPECT_THROW(record(list, profile, wrong), std::logic_error);
  wrong = op;
  wrong.tokens = kFusedNormTokens + 1;
  wrong.norm_gain = vector;
  EXPECT_THROW(record(list, profile, wrong), std::logic_error);
  wrong = op;
  wrong.y.offset = 1024;  // past the end
  EXPECT_THROW(record(list, profile, wrong), std::logic_error);
  wrong = op;
  wrong.weight.panel_rows = 7;
  EXPECT_THROW(record(list, profile, wrong), std::logic_error);
}

}  // namespace
}  // namespace regroup::test
