// What passes over calibration tokens need: products of two matrices, attention weights and the way back, Adam.
#include <algorithm>

#include "runtime/ops/adam.h"
#include "runtime/ops/causal_softmax.h"
#include "runtime/ops/divergence_backward.h"
#include "runtime/ops/gate_backward.h"
#include "runtime/ops/matrix_product.h"
#include "runtime/ops/norm_backward.h"
#include "runtime/ops/rotate_rows.h"
#include "runtime/ops/row_error.h"
#include "runtime/selftest/check.h"
#include "runtime/selftest/reference/rope.h"
#include "runtime/selftest/sample_rows.h"

namespace regroup::selftest {
namespace {

void check_matrix_product(CheckRun& run, bool left_transposed, bool right_transposed, std::uint32_t rows,
                          std::uint32_t columns, std::uint32_t depth) {
  const auto stride = [](std::uint32_t width) { return (width + 3) / 4 * 4; };
  const std::uint32_t a_stride = stride(left_transposed ? rows : depth),
                      b_stride = stride(right_transposed ? depth : columns);
  const std::vector<float> a = noise(std::size_t{left_transposed ? depth : rows} * a_stride, 1);
  const std::vector<float> b = noise(std::size_t{right_transposed ? columns : depth} * b_stride, 2);
  const std::vector<float> before = noise(std::size_t{rows} * stride(columns), 3);
  Buffer& result = run.upload(before);
  run.run(MatrixProduct{.left = {run.upload(a), 0, a_stride},
                        .right = {run.upload(b), 0, b_stride},
                        .result = {result, 0, stride(columns)},
                        .rows = rows,
                        .columns = columns,
                        .depth = depth,
                        .left_transposed = left_transposed,
                        .right_transposed = right_transposed,
                        .alpha = 0.5f,
                        .beta = 2});
  const std::vector<float> got = run.read<float>(result, before.size());
  for (std::uint32_t i = 0; i < rows; ++i) {
    std::vector<reference::Expected> expected;
    for (std::uint32_t j = 0; j < columns; ++j) {
      double sum = 0, magnitude = 0;
      for (std::uint32_t k = 0; k < depth; ++k) {
        const double term = double{left_transposed ? a[k * a_stride + i] : a[i * a_stride + k]} *
                            (right_transposed ? b[j * b_stride + k] : b[k * b_stride + j]);
        sum += term;
        magnitude += std::fabs(term);
      }
      const double old = before[i * stride(columns) + j];
      expected.push_back({0.5 * sum + 2 * old, 1e-6 + 2e-6 * (magnitude + std::fabs(old))});
    }
    run.near(std::span(got).subspan(std::size_t{i} * stride(columns), columns), expected);
  }
}

void check_causal(CheckRun& run) {
  constexpr std::uint32_t kBatches = 2, kLength = 66, kStride = 68;
  const std::vector<float> logits = noise(kBatches * kLength * kStride, 1, 2.0f);
  const std::vector<float> gradient = noise(logits.size(), 2);
  Buffer& weights_buffer = run.upload(logits);
  const CausalMatrices weights{weights_buffer, 0, kBatches, kLength, kStride};
  run.run(CausalSoftmax{weights});
  const std::vector<float> got = run.read<float>(weights_buffer, logits.size());
  std::vector<std::vector<double>> expected(kBatches * kLength);
  for (std::uint32_t row = 0; row < expected.size(); ++row) {
    const std::size_t at = std::size_t{row} * kStride, seen = row % kLength + 1;
    const auto scores = std::span(logits).subspan(at, seen);
    const double most = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (const float score : scores) sum += expected[row].emplace_back(std::exp(score - most));
    for (double& weight : expected[row]) weight /= sum;
    run.near(std::span(got).subspan(at, seen), expected[row], 2e-6, 4e-6);
  }
  // From the right weights, so that each kernel is judged by itself.
  std::vector<float> exact(logits.size());
  for (std::uint32_t row = 0; row < expected.size(); ++row) {
    std::copy(expected[row].begin(), expected[row].end(), exact.begin() + std::ptrdiff_t{row} * kStride);
  }
  Buffer& gradient_buffer = run.upload(gradient);
  run.run(SoftmaxBackward{{run.upload(exact), 0, kBatches, kLength, kStride},
                          {gradient_buffer, 0, kBatches, kLength, kStride}});
  const std::vector<float> back = run.read<float>(gradient_buffer, gradient.size());
  for (std::uint32_t row = 0; row < expected.size(); ++row) {
    const std::size_t at = std::size_t{row} * kStride, seen = row % kLength + 1;
    double mean = 0;
    for (std::size_t t = 0; t < seen; ++t) mean += expected[row][t] * gradient[at + t];
    for (std::size_t t = 0; t < seen; ++t) expected[row][t] *= gradient[at + t] - mean;
    run.near(std::span(back).subspan(at, seen), expected[row], 3e-5, 1e-5);
  }
}

void check_row_error(CheckRun& run) {
  constexpr std::uint32_t kRows = 9, kColumns = 65, kStride = 68;
  const std::vector<float> a = noise(kRows * kStride, 1), b = noise(kRows * kStride, 2);
  Buffer& errors = run.upload(std::vector<float>(2 * kRows, NAN));
  run.run(RowError{.a = {run.upload(a), 0, kStride},
                   .b = {run.upload(b), 0, kStride},
                   .errors = errors,
                   .rows = kRows,
                   .columns = kColumns});
  std::vector<double> expected;
  for (std::uint32_t t = 0; t < kRows; ++t) {
    double difference = 0, square = 0;
    for (std::uint32_t i = 0; i < kColumns; ++i) {
      const double x = a[t * kStride + i], y = b[t * kStride + i];
      difference += (x - y) * (x - y);
      square += y * y;
    }
    expected.insert(expected.end(), {difference, square});
  }
  run.near(run.read<float>(errors, expected.size()), expected, 1e-6, 3e-6);
}

void check_rotation(CheckRun& run) {
  constexpr std::uint32_t kHeads = 3, kDim = 16, kTokens = 10, kLength = 5, kWidth = kHeads * kDim;
  const std::vector<float> rows = noise(kTokens * kWidth, 3);
  std::vector<float> table;
  for (std::uint32_t i = 0; i < kLength * kDim / 2; ++i) {
    table.push_back(std::cos(0.37f * static_cast<float>(i)));
    table.push_back(std::sin(0.37f * static_cast<float>(i)));
  }
  Buffer& buffer = run.upload(rows);
  RotateRows op{.rows = {buffer, 0, kWidth},
                .table = run.upload(table),
                .tokens = kTokens,
                .length = kLength,
                .heads = kHeads,
                .head_dim = kDim,
                .rotary_dims = kDim};
  run.run(op);
  std::vector<double> expected(rows.begin(), rows.end());
  for (std::uint32_t t = 0; t < kTokens; ++t) {
    for (std::uint32_t h = 0; h < kHeads; ++h) {
      double* head = expected.data() + t * kWidth + h * kDim;
      const auto turned =
          reference::rope({head, kDim}, std::span(table).subspan(std::size_t{t % kLength} * kDim, kDim), true);
      std::copy(turned.begin(), turned.end(), head);
    }
  }
  run.near(run.read<float>(buffer, rows.size()), expected, 1e-5, 1e-6);
  op.inverse = true;
  run.run(op);
  run.near(run.read<float>(buffer, rows.size()), std::vector<double>(rows.begin(), rows.end()), 2e-5, 1e-6);
}

void check_adam(CheckRun& run) {
  constexpr std::uint32_t kCount = 100;
  const std::vector<float> start = noise(kCount, 1, 0.1f);
  std::vector<double> w(start.begin(), start.end()), m(kCount), v(kCount);
  Buffer& weights = run.upload(start);
  Buffer& first = run.upload(std::vector<float>(kCount));
  Buffer& second = run.upload(std::vector<float>(kCount));
  for (std::uint32_t step = 1; step <= 2; ++step) {
    const std::vector<float> g = noise(kCount, 10 + step, 0.01f);
    run.run(Adam{.weights = weights,
                 .gradient = run.upload(g),
                 .first = first,
                 .second = second,
                 .count = kCount,
                 .step = step,
                 .learning_rate = 1e-2f});
    for (std::uint32_t i = 0; i < kCount; ++i) {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.99 * v[i] + 0.01 * double{g[i]} * g[i];
      w[i] -= 1e-2 * (m[i] / (1 - std::pow(0.9, step))) / (std::sqrt(v[i] / (1 - std::pow(0.99, step))) + 1e-8);
    }
  }
  run.near(run.read<float>(weights, kCount), w, 1e-6, 1e-5);
}

// Straight from the derivative of x_i r gain_i, r = 1 / sqrt(mean of x^2 + epsilon).
void check_norm_backward(CheckRun& run) {
  constexpr std::uint32_t kRows = 9, kColumns = 65, kStride = 68;
  constexpr double kEpsilon = 1e-3;
  const std::vector<float> x = noise(kRows * kStride, 1), dy = noise(kRows * kStride, 2), gain = noise(kStride, 3);
  const std::vector<float> before = noise(kRows * kStride, 4);
  Buffer& dx = run.upload(before);
  run.run(NormBackward{.x = {run.upload(x), 0, kStride},
                       .dy = {run.upload(dy), 0, kStride},
                       .gain = run.upload(gain),
                       .dx = {dx, 0, kStride},
                       .columns = kColumns,
                       .rows = kRows,
                       .epsilon = static_cast<float>(kEpsilon)});
  std::vector<double> expected(before.begin(), before.end());
  for (std::uint32_t t = 0; t < kRows; ++t) {
    double square = 0, along = 0;
    for (std::uint32_t i = 0; i < kColumns; ++i) {
      const double value = x[t * kStride + i];
      square += value * value;
      along += double{gain[i]} * dy[t * kStride + i] * value;
    }
    const double r = 1 / std::sqrt(square / kColumns + kEpsilon);
    for (std::uint32_t i = 0; i < kColumns; ++i) {
      const std::size_t at = t * kStride + i;
      expected[at] += r * gain[i] * dy[at] - x[at] * r * r * r * along / kColumns;
    }
  }
  run.near(run.read<float>(dx, expected.size()), expected, 1e-4, 1e-5);
}

void check_gate_backward(CheckRun& run) {
  constexpr std::uint32_t kTokens = 3, kColumns = 132;
  const std::vector<float> gate = noise(kTokens * kColumns, 1), up = noise(gate.size(), 2), dy = noise(gate.size(), 3);
  Buffer& gate_buffer = run.upload(gate);
  Buffer& up_buffer = run.upload(up);
  run.run(GateBackward{.gate = {gate_buffer, 0, kColumns},
                       .up = {up_buffer, 0, kColumns},
                       .dy = {run.upload(dy), 0, kColumns},
                       .columns = kColumns,
                       .tokens = kTokens});
  std::vector<double> of_gate, of_up;
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const double z = gate[i], share = 1 / (1 + std::exp(-z));
    of_gate.push_back(double{dy[i]} * up[i] * (share + z * share * (1 - share)));
    of_up.push_back(dy[i] * z * share);
  }
  run.near(run.read<float>(gate_buffer, gate.size()), of_gate, 2e-5, 1e-5);
  run.near(run.read<float>(up_buffer, up.size()), of_up, 1e-5, 1e-5);
}

void check_divergence_backward(CheckRun& run) {
  constexpr std::uint32_t kRows = 9, kColumns = 129, kStride = 132;
  const std::vector<float> baseline = noise(kRows * kStride, 1, 2.0f), logits = noise(kRows * kStride, 2, 2.0f);
  Buffer& buffer = run.upload(logits);
  run.run(DivergenceBackward{.baseline = {run.upload(baseline), 0, kStride},
                             .logits = {buffer, 0, kStride},
                             .columns = kColumns,
                             .rows = kRows});
  const std::vector<float> got = run.read<float>(buffer, logits.size());
  const auto probabilities = [](std::span<const float> of) {
    const double most = *std::max_element(of.begin(), of.end());
    std::vector<double> out;
    double sum = 0;
    for (const float logit : of) sum += out.emplace_back(std::exp(logit - most));
    for (double& value : out) value /= sum;
    return out;
  };
  for (std::uint32_t t = 0; t < kRows; ++t) {
    const std::size_t at = std::size_t{t} * kStride;
    std::vector<double> expected = probabilities(std::span(logits).subspan(at, kColumns));
    const std::vector<double> p = probabilities(std::span(baseline).subspan(at, kColumns));
    for (std::uint32_t i = 0; i < kColumns; ++i) expected[i] -= p[i];
    run.near(std::span(got).subspan(at, kColumns), expected, 2e-6, 2e-5);
  }
}

}  // namespace

void add_training_checks(std::vector<Check>& checks, const KernelNeeds&) {
  checks.push_back({"matrix product", [](CheckRun& run) {
                      for (const auto& [left, right] : {std::pair(false, false), {false, true}, {true, false}}) {
                        check_matrix_product(run, left, right, 65, 33, 31);
                        check_matrix_product(run, left, right, 3, 5, 7);
                      }
                    }});
  checks.push_back({"causal softmax", check_causal});
  checks.push_back({"row error", check_row_error});
  checks.push_back({"rotate rows", check_rotation});
  checks.push_back({"adam", check_adam});
  checks.push_back({"norm backward", check_norm_backward});
  checks.push_back({"gate backward", check_gate_backward});
  checks.push_back({"divergence backward", check_divergence_backward});
}

}  // namespace regroup::selftest
