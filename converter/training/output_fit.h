// Fits values and output projection of a merged layer to the teacher's output, each by linear least squares while the
// other and the attention weights stay.
#pragma once

#include "converter/training/student_layer.h"

namespace regroup {

// Minimises the mean over fitted tokens of |y - y_teacher|^2, y = W_o (concatenated heads of A x W_v^T), A the
// student's own attention weights.
class OutputFit {
 public:
  // Takes the student's queries and keys as they are now.
  OutputFit(LayerCalibration& calibration, const WhitenedInputs& inputs, const StudentLayer& student,
            std::uint32_t kv_heads);

  // A new output projection for the student's values, in closed form; ridge: as a share of the mean energy of the
  // heads.
  WeightRows output(const StudentLayer& student, double ridge);
  // New values for the student's output projection.
  WeightRows values(const StudentLayer& student, int iterations, double ridge);

 private:
  struct Batch {
    std::uint32_t first_token;
    SequenceShape shape;
  };
  void attend(AttentionProducts& products, const Batch& batch);
  void record_values(CommandList& list, bool against_target);

  LayerCalibration& calibration_;
  const WhitenedInputs& inputs_;
  AttentionSettings settings_;
  std::vector<Batch> batches_;
  Arena arena_;
  Activations queries_, keys_;           // of all fitted tokens, rotated
  Activations values_, heads_, errors_;  // of a batch; errors_: at the heads
  BufferView weights_;
  DeviceWeights value_, value_gradient_;
  DeviceWeights output_;       // [d, H D]
  DeviceWeights output_gram_;  // W_o^T W_o or the Gram of the heads. [H D, H D]
};

}  // namespace regroup
