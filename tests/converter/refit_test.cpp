// Refits of merged layers on the device: each refit against its normal equations solved on the host, fit and refine
// against what they promise (never worse on held-out tokens than where they begin), and that they repeat to the bit.
#include <Eigen/LU>

#include "converter/merge.h"
#include "converter/training/conjugate_gradients.h"
#include "converter/training/logit_fit.h"
#include "converter/training/output_fit.h"
#include "tests/converter/calibration_sample.h"

namespace regroup::test {
namespace {

class RefitDeviceTest : public DeviceTest {
 protected:
  static AttentionLayer merged(const std::string& method, LayerCalibration& calibration, const HeadGroups& groups) {
    return merge_method_named(method).merge(calibration.source(), groups,
                                            {.statistics = &calibration.statistics(), .calibration = &calibration});
  }

  // The objective of LogitFit on the host: sum over heads of factor times the mean over tokens of the variance of the
  // logits' error under the teacher's attention weights.
  static double logit_loss(const AttentionLayer& student, const AttentionLayer& teacher,
                           const CalibrationSample& on_device, const LayerSample& sample,
                           const std::vector<float>& factors) {
    double loss = 0;
    const Eigen::Index dim = student.head_dim, tokens = sample.inputs[0].rows();
    const std::size_t fitted = sample.inputs.size() - on_device.inputs->held_out;
    for (std::size_t i = 0; i < fitted; ++i) {
      const HostAttention s = attend_on_host(student, on_device.student[i], sample.rope_table);
      const HostAttention t = attend_on_host(teacher, sample.inputs[i], sample.rope_table);
      for (std::uint32_t h = 0; h < student.query_heads; ++h) {
        const auto logits = [&](const HostAttention& a, std::uint32_t shared_by) -> Eigen::MatrixXd {
          return a.queries.middleCols(h * dim, dim) * a.keys.middleCols(h / shared_by * dim, dim).transpose();
        };
        const Eigen::MatrixXd error =
            student.scale * (logits(s, student.queries_per_kv_head()) - logits(t, teacher.queries_per_kv_head()));
        for (Eigen::Index row = 0; row < tokens; ++row) {
          const auto p = t.probabilities[h].row(row).head(row + 1);
          const auto e = error.row(row).head(row + 1);
          loss += factors[h] * (p.cwiseProduct(e.cwiseAbs2()).sum() - std::pow(p.cwiseProduct(e).sum(), 2));
        }
      }
    }
    return loss / static_cast<double>(fitted * static_cast<std::size_t>(tokens));
  }
};

TEST(ConjugateGradientsTest, SolvesBlocksOfRidgedLeastSquares) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const auto noise = [&](Eigen::Index r, Eigen::Index c) {
    return WeightRows(WeightRows::NullaryExpr(r, c, [&] { return normal(random); }));
  };
  const WeightRows a = noise(9, 6);
  const WeightRows h = a.transpose() * a;  // acts on columns; blocks of rows are independent problems
  const WeightRows b = noise(4, 6);
  LeastSquares problem{.curvature = [&](const WeightRows& x) { return WeightRows(x * h); },
                       .descent = b,
                       .precondition = [](WeightRows& x) { x *= 0.5f; },
                       .block_rows = 2,
                       .iterations = 40};
  EXPECT_LE((solve(problem) * h - b).norm(), 1e-3 * b.norm());
  const WeightRows free = solve(problem);
  problem.ridge = 0.5;
  EXPECT_LT(solve(problem).norm(), free.norm());  // a ridge shortens the step
  problem.ridge = 0;
  problem.block_rows = 0;
  EXPECT_LE((solve(problem) * h - b).norm(), 1e-3 * b.norm());
}

TEST_F(RefitDeviceTest, LogitFitReachesTheMinimumOfTheLogitError) {
  for (const LayerShape& shape : calibration_shapes()) {
    SCOPED_TRACE(to_string(shape));
    LayerSample sample(shape);
    CalibrationSample on_device(device(), sample);
    LayerCalibration calibration(*on_device.inputs);
    const WhitenedInputs inputs(calibration);
    const HeadGroups groups = HeadGroups::contiguous(shape.kv_heads, 1);
    const AttentionLayer teacher = in_group_order(sample.layer, groups);
    const AttentionLayer start = merged("svd", calibration, groups);
    std::vector<float> factors;
    for (std::uint32_t h = 0; h < shape.query_heads; ++h) factors.push_back(0.5f + 0.1f * static_cast<float>(h));
    LogitFit fit(calibration, inputs, teacher, 1, factors);
    const auto loss = [&](const StudentLayer& student) {
      return logit_loss(from_student(inputs, student, start), teacher, on_device, sample, factors);
    };
    StudentLayer student = to_student(inputs, start);
    const double before = loss(student);
    StudentLayer queries = student, keys = student;
    queries.query = fit.queries(student, 60, 0);
    keys.key = fit.keys(student, 60, 0);
    const double after_queries = loss(queries), after_keys = loss(keys);
    EXPECT_LT(after_queries, 0.7 * before);
    EXPECT_LT(after_keys, before);
    // At a minimum every small step from there leads up again.
    for (int trial = 0; trial < 3; ++trial) {
      StudentLayer moved = queries;
      moved.query += 0.02f * queries.query.norm() / std::sqrt(static_cast<float>(queries.query.size())) *
                     sample.noise(queries.query.rows(), queries.query.cols());
      EXPECT_GT(loss(moved), after_queries * (1 - 1e-3));
      moved = keys;
      moved.key += 0.02f * keys.key.norm() / std::sqrt(static_cast<float>(keys.key.size())) *
                   sample.noise(keys.key.rows(), keys.key.cols());
      EXPECT_GT(loss(moved), after_keys * (1 - 1e-3));
    }
  }
}

TEST_F(RefitDeviceTest, OutputFitReachesTheMinimumOfTheOutputError) {
  for (const LayerShape& shape : calibration_shapes()) {
    SCOPED_TRACE(to_string(shape));
    LayerSample sample(shape);
    CalibrationSample on_device(device(), sample);
    LayerCalibration calibration(*on_device.inputs);
    const WhitenedInputs inputs(calibration);
    const HeadGroups groups = HeadGroups::contiguous(shape.kv_heads, 1);
    const AttentionLayer start = merged("mean", calibration, groups);
    StudentLayer student = to_student(inputs, start);
    OutputFit fit(calibration, inputs, student, 1);
    const auto error = [&](const StudentLayer& s) { return calibration.error(from_student(inputs, s, start)).fitted; };
    const double before = error(student);
    StudentLayer values = student, output = student;
    values.value = fit.values(student, 80, 0);
    output.output = fit.output(student, 1e-6);
    const double after_values = error(values), after_output = error(output);
    EXPECT_LT(after_values, before);
    EXPECT_LT(after_output, before);
    for (int trial = 0; trial < 3; ++trial) {
      StudentLayer moved = values;
      moved.value += 0.02f * values.value.norm() / std::sqrt(static_cast<float>(values.value.size())) *
                     sample.noise(values.value.rows(), values.value.cols());
      EXPECT_GT(error(moved), after_values * (1 - 1e-3));
      moved = output;
      moved.output += 0.02f * output.output.norm() / std::sqrt(static_cast<float>(output.output.size())) *
                      sample.noise(output.output.rows(), output.output.cols());
      EXPECT_GT(error(moved), after_output * (1 - 1e-3));
    }
  }
}

TEST_F(RefitDeviceTest, FitAndRefineNeverLoseAndRepeatToTheBit) {
  for (const LayerShape& shape : {LayerShape{8, 8, 8, 8, 40, false}, LayerShape{12, 4, 8, 4, 37, true}}) {
    SCOPED_TRACE(to_string(shape));
    LayerSample sample(shape);
    // Enough text that what is fitted to it holds beyond it.
    for (int more = 0; more < 28; ++more)
      sample.inputs.push_back(sample.noise(LayerSample::kTokens, shape.hidden).cast<double>());
    CalibrationSample on_device(device(), sample, 0.1, 4);
    const HeadGroups groups{shape.kv_heads == 8 ? std::vector<std::vector<std::uint32_t>>{{0, 2, 5, 7}, {1, 3, 4, 6}}
                                                : std::vector<std::vector<std::uint32_t>>{{3, 0}, {1, 2}}};
    AttentionLayer first_fit, first_refined;
    for (int run = 0; run < (shape.biases ? 2 : 1); ++run) {
      LayerCalibration calibration(*on_device.inputs);
      const double svd = calibration.held_out_error(merged("svd", calibration, groups));
      const AttentionLayer fit = merged("fit", calibration, groups);
      const double after_fit = calibration.held_out_error(fit);
      const AttentionLayer refined = merged("refine", calibration, groups);
      const double after_refine = calibration.held_out_error(refined);
      EXPECT_LE(after_fit, svd);
      EXPECT_LE(after_refine, after_fit);
      EXPECT_LT(after_refine, svd);
      if (run == 0) {
        first_fit = fit;
        first_refined = refined;
        continue;
      }
      for (const auto& [a, b] : {std::pair(&first_fit, &fit), {&first_refined, &refined}}) {
        EXPECT_EQ(a->query, b->query);
        EXPECT_EQ(a->key, b->key);
        EXPECT_EQ(a->value, b->value);
        EXPECT_EQ(a->output, b->output);
        EXPECT_EQ(a->value_bias, b->value_bias);
      }
    }
  }
}

}  // namespace
}  // namespace regroup::test
