// Local refinement: from the better of svd and fit, Adam on the four matrices of one attention layer against the
// original layer's output, both on the inputs that they will see. Nothing goes back through other layers. The iterate
// with the least error on tokens that nothing was fitted to is kept.
#include <algorithm>
#include <cmath>
#include <random>

#include "converter/layer_calibration.h"
#include "converter/merge.h"
#include "converter/training/student_layer.h"
#include "runtime/core/error.h"
#include "runtime/ops/adam.h"

namespace regroup {
namespace {

// A start this close leaves nothing to win: the layer's output is right to 3 %.
constexpr double kCloseEnough = 1e-3;
// Work for one layer, how often the text may be gone over (more over-fits), and the steps that this is divided into.
constexpr double kWorkFlops = 5e11;
constexpr std::uint32_t kMostPasses = 12;
constexpr int kMostSteps = 500, kEnoughSteps = 300, kLeastSteps = 60, kWarmUpSteps = 10, kJudgements = 6;
constexpr std::uint32_t kSequencesPerStep = 8, kSequencesPerStepOfLargeLayers = 4;
// Of the root mean square of a matrix in whitened coordinates, falling to 0: the fit's result needs smaller steps. On
// a layer of the bundled model 300 steps from svd left 0.133 of the error at 0.02, 0.128 at 0.04.
constexpr double kRateFromSvd = 0.04, kRateFromFit = 0.02;

struct Start {
  AttentionLayer layer;
  double error;
  double rate;
};

Start better_start(const AttentionLayer& source, const HeadGroups& groups, const MergeInput& input) {
  LayerCalibration& calibration = *input.calibration;
  MergeInput with_statistics = input;
  with_statistics.statistics = &calibration.statistics();
  Start start{merge_method_named("svd").merge(source, groups, with_statistics), 0, kRateFromSvd};
  start.error = calibration.held_out_error(start.layer);
  if (!calibration.fitted || calibration.fitted->groups.groups != groups.groups) {
    merge_method_named("fit").merge(source, groups, input);
  }
  const double error = calibration.held_out_error(calibration.fitted->layer);
  if (error < start.error) start = {calibration.fitted->layer, error, kRateFromFit};
  return start;
}

class Refinement {
 public:
  Refinement(const AttentionLayer& source, const HeadGroups& groups, const MergeInput& input)
      : calibration_(*input.calibration),
        input_(input),
        best_(better_start(source, groups, input)),
        inputs_(calibration_),
        arena_(calibration_.device(), MemoryUse::kDevice, "refinement") {}

  AttentionLayer run() {
    if (best_.error < kCloseEnough) return best_.layer;
    choose_steps();
    allocate();
    for (int step = 0; step < steps_; ++step) {
      check_cancelled(input_);
      const double warm = std::min(1.0, (step + 1.0) / kWarmUpSteps);
      descend(step, best_.rate * warm * (1.0 - static_cast<double>(step) / steps_));
      if ((step + 1) % std::max(1, steps_ / kJudgements) == 0 || step + 1 == steps_) judge();
      if (input_.progress) input_.progress("refine", (step + 1.0) / steps_);
    }
    return best_.layer;
  }

 private:
  struct Matrix {
    DeviceWeights weights, gradient;
    BufferView first, second;
    double size;  // root mean square at the start
  };

  void choose_steps() {
    const AttentionLayer& layer = best_.layer;
    const double projections = double{1} * layer.hidden * (2 * layer.query_heads + 2 * layer.kv_heads) * layer.head_dim;
    const double attention = double{1} * calibration_.length() * layer.query_heads * layer.head_dim;
    const auto steps_of = [&](std::uint32_t sequences) {
      const double tokens = double{1} * sequences * calibration_.length();
      // Forward, and backward without the gradient of the inputs.
      const double flops = tokens * (5 * projections + 6 * attention);
      const double passes = double{1} * kMostPasses * calibration_.fitted_sequences() / sequences;
      return static_cast<int>(
          std::clamp(std::min(kWorkFlops / flops, passes), double{kLeastSteps}, double{kMostSteps}));
    };
    const std::uint32_t most = std::min(calibration_.fitted_sequences(), calibration_.batch_sequences());
    sequences_ = std::min(most, kSequencesPerStep);
    if (steps_of(sequences_) < kEnoughSteps) sequences_ = std::min(most, kSequencesPerStepOfLargeLayers);
    steps_ = steps_of(sequences_);
  }

  Matrix matrix(const WeightRows& start) {
    const auto rows = static_cast<std::uint32_t>(start.rows()), columns = static_cast<std::uint32_t>(start.cols());
    const std::uint64_t bytes = 4 * static_cast<std::uint64_t>(start.size());
    Matrix out{{arena_.buffer(bytes, "weights"), rows, columns},
               {arena_.buffer(bytes, "gradient"), rows, columns},
               arena_.buffer(bytes, "first moment"),
               arena_.buffer(bytes, "second moment"),
               std::sqrt(static_cast<double>(start.squaredNorm()) / static_cast<double>(start.size()))};
    upload_weights(calibration_.device(), start, out.weights);
    CommandList list(calibration_.device());
    list.fill(out.first, 0);
    list.fill(out.second, 0);
    list.run();
    return out;
  }

  void allocate() {
    const StudentLayer student = to_student(inputs_, best_.layer);
    query_ = matrix(student.query);
    key_ = matrix(student.key);
    value_ = matrix(student.value);
    output_ = matrix(student.output);
    SequenceShape shape = calibration_.batch_shape(best_.layer.kv_heads);
    shape.sequences = sequences_;
    pass_.emplace(calibration_.device(), calibration_.profile(), shape, calibration_.settings());
    const std::uint32_t stride = calibration_.target().stride;
    error_ = {arena_.buffer(std::uint64_t{4} * shape.tokens() * stride, "output error"), 0, stride};
    list_.emplace(calibration_.device());
    random_.seed(input_.seed);
  }

  // Where the next step's sequences begin: every part of the calibration text once, in random order, then again.
  std::uint32_t next_sequence() {
    if (order_.empty()) {
      const std::uint32_t fitted = calibration_.fitted_sequences();
      for (std::uint32_t first = 0; first < fitted; first += sequences_) {
        order_.push_back(std::min(first, fitted - sequences_));
      }
      for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random_() % i]);
    }
    const std::uint32_t first = order_.back();
    order_.pop_back();
    return first;
  }

  void descend(int step, double rate) {
    const std::uint32_t row = next_sequence() * calibration_.length(), tokens = pass_->shape().tokens();
    const Activations& target = calibration_.target();
    const Activations x = rows_from(inputs_.rows(), row);
    const DeviceAttention weights{query_.weights, key_.weights, value_.weights, output_.weights};
    const DeviceAttention gradients{query_.gradient, key_.gradient, value_.gradient, output_.gradient};
    list_->reset();
    list_->copy({*target.buffer.buffer, target.buffer.offset_bytes + std::uint64_t{4} * row * target.stride,
                 std::uint64_t{4} * tokens * target.stride},
                error_.buffer);
    pass_->forward(*list_, weights, x, error_, sequences_, -1);  // output minus target
    pass_->backward(*list_, weights, x, error_, gradients, sequences_, 1.0f / static_cast<float>(tokens));
    for (const Matrix* m : {&query_, &key_, &value_, &output_}) {
      record(*list_, calibration_.profile(),
             Adam{.weights = m->weights.buffer,
                  .gradient = m->gradient.buffer,
                  .first = m->first,
                  .second = m->second,
                  .count = m->weights.rows * m->weights.columns,
                  .step = static_cast<std::uint32_t>(step) + 1,
                  .learning_rate = static_cast<float>(rate * m->size),
                  .epsilon = 1e-12f});  // gradients may be small beside the customary 1e-8
    }
    list_->run(calibration_.cancel());
  }

  void judge() {
    Device& device = calibration_.device();
    const StudentLayer student{download_weights(device, query_.weights), download_weights(device, key_.weights),
                               download_weights(device, value_.weights), download_weights(device, output_.weights)};
    AttentionLayer layer = from_student(inputs_, student, best_.layer);
    const double error = calibration_.held_out_error(layer);
    if (!(error < best_.error)) return;
    best_.error = error;
    best_.layer = std::move(layer);
  }

  LayerCalibration& calibration_;
  const MergeInput& input_;
  Start best_;
  WhitenedInputs inputs_;
  Arena arena_;
  int steps_ = 0;
  std::uint32_t sequences_ = 0;
  Matrix query_, key_, value_, output_;
  std::optional<AttentionPass> pass_;
  Activations error_;
  std::optional<CommandList> list_;
  std::mt19937_64 random_;
  std::vector<std::uint32_t> order_;
};

AttentionLayer merge(const AttentionLayer& source, const HeadGroups& groups, const MergeInput& input) {
  REGROUP_CHECK(input.calibration != nullptr);
  return Refinement(source, groups, input).run();
}

}  // namespace

const MergeMethod& refine_merge() {
  static const MergeMethod method = {"refine", "the better of svd and fit, then gradient descent on the layer's output",
                                     MergeNeeds::kActivations, true, merge};
  return method;
}

}  // namespace regroup
