// Products of two matrices in every mode and shape against double precision: 2e-6 of the sum of the terms' magnitudes,
// every profile.
#include "runtime/ops/matrix_product.h"

#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

class MatrixProductTest : public ProfileTest {
 protected:
  static constexpr float kUntouched = 7.5f;

  struct Case {
    std::uint32_t rows, columns, depth;
    bool left_transposed = false, right_transposed = false;
    Triangle triangle = Triangle::kNone;
    std::uint32_t outer = 1, inner = 1, right_divisor = 1;
    float alpha = 1, beta = 0;
    std::uint32_t extra = 0;  // floats before, between and behind rows, a multiple of 4
  };

  // A batch of stored matrices with noise everywhere, between the rows and above the diagonal too.
  struct Stored {
    MatrixView view;
    std::vector<float> values;
    float at(std::uint32_t outer, std::uint32_t inner, std::uint32_t i, std::uint32_t j) const {
      return values[index(outer, inner, i, j)];
    }
    std::size_t index(std::uint32_t outer, std::uint32_t inner, std::uint32_t i, std::uint32_t j) const {
      return view.offset + std::size_t{outer} * view.outer_stride +
             std::size_t{inner / view.divisor} * view.inner_stride + std::size_t{i} * view.stride + j;
    }
  };

  Stored stored(const Case& c, std::uint32_t rows, std::uint32_t columns, std::uint32_t divisor, std::uint32_t seed) {
    Stored out;
    out.view.divisor = divisor;
    out.view.stride = (columns + 3) / 4 * 4 + c.extra;
    out.view.inner_stride = rows * out.view.stride + c.extra;
    out.view.outer_stride = c.inner / divisor * out.view.inner_stride + c.extra;
    out.view.offset = c.extra;
    out.values = noise(out.view.offset + std::size_t{c.outer} * out.view.outer_stride, seed);
    return out;
  }

  void check(const KernelProfile& profile, const Case& c) {
    SCOPED_TRACE(fmt::format("{} rows {} columns {} depth {} {}{} triangle {} batches {} x {} divisor {} beta {}",
                             profile.name, c.rows, c.columns, c.depth, c.left_transposed ? "t" : "n",
                             c.right_transposed ? "t" : "n", static_cast<int>(c.triangle), c.outer, c.inner,
                             c.right_divisor, c.beta));
    Stored a = stored(c, c.left_transposed ? c.depth : c.rows, c.left_transposed ? c.rows : c.depth, 1, 1 + c.rows);
    Stored b = stored(c, c.right_transposed ? c.columns : c.depth, c.right_transposed ? c.depth : c.columns,
                      c.right_divisor, 2 + c.columns);
    Stored result = stored(c, c.rows, c.columns, 1, 3);
    if (c.beta == 0) {  // old values must not count, not even as 0 times them
      std::fill(result.values.begin(), result.values.end(), std::numeric_limits<float>::quiet_NaN());
    }
    a.view.buffer = upload_new(a.values);
    b.view.buffer = upload_new(b.values);
    Buffer& result_buffer = upload_new(result.values);
    result.view.buffer = result_buffer;
    run(profile, MatrixProduct{.left = a.view,
                               .right = b.view,
                               .result = result.view,
                               .rows = c.rows,
                               .columns = c.columns,
                               .depth = c.depth,
                               .left_transposed = c.left_transposed,
                               .right_transposed = c.right_transposed,
                               .batches = c.outer * c.inner,
                               .inner_batches = c.inner,
                               .alpha = c.alpha,
                               .beta = c.beta,
                               .triangle = c.triangle});
    const std::vector<float> got = floats(result_buffer, result.values.size());

    std::vector<bool> owned(got.size(), false);
    double worst = 0;
    for (std::uint32_t o = 0; o < c.outer; ++o) {
      for (std::uint32_t n = 0; n < c.inner; ++n) {
        for (std::uint32_t i = 0; i < c.rows; ++i) {
          for (std::uint32_t j = 0; j < c.columns; ++j) {
            const std::size_t at = result.index(o, n, i, j);
            owned[at] = true;
            if (c.triangle == Triangle::kResultLower && j > i) continue;  // may be anything
            double sum = 0, magnitude = 0;
            for (std::uint32_t k = 0; k < c.depth; ++k) {
              const std::uint32_t ai = c.left_transposed ? k : i, aj = c.left_transposed ? i : k;
              if (c.triangle == Triangle::kLeftLower && aj > ai) continue;
              const double term =
                  double{a.at(o, n, ai, aj)} * b.at(o, n, c.right_transposed ? j : k, c.right_transposed ? k : j);
              sum += term;
              magnitude += std::fabs(term);
            }
            sum = c.alpha * sum + (c.beta != 0 ? double{c.beta} * result.values[at] : 0.0);
            const double error = std::fabs(got[at] - sum) / (1e-6 + 2e-6 * magnitude);
            worst = std::max(worst, std::isnan(error) ? 1e9 : error);
          }
        }
      }
    }
    EXPECT_LE(worst, 1.0);
    // Beside its rows nothing may change.
    std::size_t changed = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const bool same = got[i] == result.values[i] || (std::isnan(got[i]) && std::isnan(result.values[i]));
      changed += !owned[i] && !same;
    }
    EXPECT_EQ(changed, 0u);
  }
};

TEST_F(MatrixProductTest, EveryModeInOddShapes) {
  for (const KernelProfile& profile : profiles()) {
    for (const auto& [left, right] : {std::pair(false, false), {false, true}, {true, false}}) {
      check(profile, {1, 1, 1, left, right});
      check(profile, {3, 5, 7, left, right});
      check(profile, {65, 33, 31, left, right});
      check(profile, {8, 32, 32, left, right});
      check(profile, {70, 130, 66, left, right});
      check(profile, {17, 66, 97, left, right, Triangle::kNone, 2, 3, 3, -0.5f, 1, 8});
    }
  }
}

TEST_F(MatrixProductTest, BatchesOfHeadsThatShareTheRightMatrix) {
  for (const KernelProfile& profile : profiles()) {
    check(profile, {33, 34, 16, false, true, Triangle::kNone, 2, 6, 3, 0.25f});
    check(profile, {33, 16, 34, false, false, Triangle::kNone, 3, 4, 2, 1, 0.5f, 4});
    check(profile, {33, 16, 34, true, false, Triangle::kNone, 2, 2, 1, 1, 1, 4});
  }
}

TEST_F(MatrixProductTest, TrianglesOfCausalAttention) {
  for (const KernelProfile& profile : profiles()) {
    for (const std::uint32_t length : {1u, 7u, 64u, 100u, 131u}) {
      check(profile, {length, length, 24, false, true, Triangle::kResultLower, 2, 2, 2, 0.3f});
      check(profile, {length, 24, length, false, false, Triangle::kLeftLower, 2, 2, 2});
      check(profile, {length, 24, length, true, false, Triangle::kLeftLower, 2, 2, 1, 1, 1});
    }
  }
}

TEST_F(MatrixProductTest, LongDepthIsTakenInPieces) {
  for (const KernelProfile& profile : profiles()) {
    check(profile, {20, 40, 1100, true, false});
    check(profile, {20, 40, 1100, true, false, Triangle::kNone, 1, 1, 1, 2, 0.5f});
    check(profile, {20, 40, 1100, false, true});
  }
}

// A tight budget cuts a product into many dispatches, by batches and by rows; the parts make the whole.
TEST_F(MatrixProductTest, PiecesOfATightBudgetMakeTheWhole) {
  SubmitBudget& budget = device().budget();
  const double usual_ms = budget.max_ms();
  budget.configure(1.0, true);
  for (int i = 0; i < 40; ++i) budget.learn({.bytes_ms = 1, .flops_ms = 1}, 1e6);  // as if everything took long
  const KernelProfile profile = kernel_profile(device());
  check(profile, {300, 40, 300, false, false});
  check(profile, {100, 40, 64, false, true, Triangle::kNone, 5, 2, 2});
  budget.configure(usual_ms, device().info().type == DeviceType::kCpu);
}

TEST_F(MatrixProductTest, RefusesWhatItCannotDo) {
  Buffer& buffer = upload_new(std::vector<float>(256));
  const MatrixView view{buffer, 0, 8};
  MatrixProduct op{.left = view, .right = view, .result = view, .rows = 8, .columns = 8, .depth = 8};
  const KernelProfile profile = kernel_profile(device());
  EXPECT_NO_THROW(run(profile, op));
  MatrixProduct wrong = op;
  wrong.left_transposed = wrong.right_transposed = true;
  EXPECT_THROW(run(profile, wrong), std::logic_error);
  wrong = op;
  wrong.left.offset = 2;
  EXPECT_THROW(run(profile, wrong), std::logic_error);
  wrong = op;
  wrong.rows = 40;
  EXPECT_THROW(run(profile, wrong), std::logic_error);
  wrong = op;
  wrong.columns = 4;
  wrong.triangle = Triangle::kResultLower;
  EXPECT_THROW(run(profile, wrong), std::logic_error);
}

}  // namespace
}  // namespace regroup::test
