// Sequential least squares: from the svd start, queries and keys are refitted to the teacher's logits on the student's
// own inputs, then output projection and values to the teacher's output. A refit stays only if the error on tokens that
// nothing was fitted to falls: with few calibration tokens some of them over-fit.
#include "converter/layer_calibration.h"
#include "converter/merge.h"
#include "converter/training/logit_fit.h"
#include "converter/training/output_fit.h"
#include "runtime/core/error.h"

namespace regroup {
namespace {

// Iterations suffice where the inputs are white; ridges are shares of the curvature, large where the calibration text
// tells less than there is to fit.
constexpr int kQueryIterations = 8, kKeyIterations = 6, kValueIterations = 6;
constexpr int kLogitRounds = 2, kOutputRounds = 2;
constexpr double kLogitRidge = 1e-3, kValueRidge = 1e-2, kOutputRidge = 1e-2;

class Fit {
 public:
  Fit(const AttentionLayer& source, const HeadGroups& groups, const MergeInput& input)
      : calibration_(*input.calibration),
        input_(input),
        teacher_(in_group_order(source, groups)),
        inputs_(calibration_),
        layer_(merge_method_named("svd").merge(source, groups, with_statistics(input))),
        student_(to_student(inputs_, layer_)),
        error_(calibration_.held_out_error(layer_)) {
    // The factors follow their heads into the order of the groups.
    const Eigen::VectorXd& sensitivity = calibration_.statistics().logit_sensitivity;
    const double mean = sensitivity.mean() > 0 ? sensitivity.mean() : 1.0;
    for (const std::uint32_t head : groups.query_order(source.queries_per_kv_head())) {
      factors_.push_back(static_cast<float>(sensitivity(head) / mean));
    }
  }

  AttentionLayer run() {
    fit_logits();
    fit_outputs();
    return layer_;
  }

 private:
  static MergeInput with_statistics(const MergeInput& input) {
    MergeInput out = input;
    out.statistics = &input.calibration->statistics();
    return out;
  }

  void fit_logits() {
    LogitFit logits(calibration_, inputs_, teacher_, layer_.kv_heads, factors_);
    for (int round = 0; round < kLogitRounds; ++round) {
      keep(&StudentLayer::query, logits.queries(student_, kQueryIterations, kLogitRidge));
      keep(&StudentLayer::key, logits.keys(student_, kKeyIterations, kLogitRidge));
    }
  }

  void fit_outputs() {
    OutputFit outputs(calibration_, inputs_, student_, layer_.kv_heads);
    keep(&StudentLayer::output, outputs.output(student_, kOutputRidge));
    for (int round = 0; round < kOutputRounds; ++round) {
      keep(&StudentLayer::value, outputs.values(student_, kValueIterations, kValueRidge));
      keep(&StudentLayer::output, outputs.output(student_, kOutputRidge));
    }
  }

  // Takes a refitted matrix if the held-out error falls.
  void keep(WeightRows StudentLayer::*member, WeightRows refitted) {
    check_cancelled(input_);
    StudentLayer student = student_;
    student.*member = std::move(refitted);
    AttentionLayer layer = from_student(inputs_, student, layer_);
    const double error = calibration_.held_out_error(layer);
    constexpr int kSteps = 2 * kLogitRounds + 1 + 2 * kOutputRounds;
    ++steps_;
    if (input_.progress) input_.progress("fit", static_cast<double>(steps_) / kSteps);
    if (!(error < error_)) return;
    error_ = error;
    student_ = std::move(student);
    layer_ = std::move(layer);
  }

  LayerCalibration& calibration_;
  const MergeInput& input_;
  AttentionLayer teacher_;
  WhitenedInputs inputs_;
  AttentionLayer layer_;
  StudentLayer student_;
  double error_;
  std::vector<float> factors_;
  int steps_ = 0;
};

AttentionLayer merge(const AttentionLayer& source, const HeadGroups& groups, const MergeInput& input) {
  REGROUP_CHECK(input.calibration != nullptr && !source.partly_biased);
  AttentionLayer layer = Fit(source, groups, input).run();
  input.calibration->fitted = MergedCandidate{groups, layer};
  return layer;
}

}  // namespace

const MergeMethod& fit_merge() {
  static const MergeMethod method = {"fit", "svd, then each projection refitted to calibration text by least squares",
                                     MergeNeeds::kActivations, true, merge};
  return method;
}

}  // namespace regroup
