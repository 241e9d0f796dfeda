// One attention layer with its calibration inputs on the device: what its teacher computes, and how far a merged layer
// is from it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "converter/attention_layer.h"
#include "converter/head_groups.h"
#include "converter/layer_statistics.h"
#include "converter/training/attention_pass.h"
#include "runtime/core/progress.h"
#include "runtime/gpu/device.h"
#include "runtime/ops/kernel_profile.h"
#include "runtime/ops/linear.h"

namespace regroup {

// Inputs are rows after the layer's norm (gain included): the teacher's as the original model computes them, the
// student's as the model merged so far does (the same buffer where the two are to be taken as equal). tokens =
// sequences * sequence_length, sequence by sequence, each starting at position 0.
struct CalibrationInputs {
  Device& device;
  const KernelProfile& profile;
  const AttentionLayer& source;
  Activations teacher;  // [tokens, d]
  Activations student;  // [tokens, d]
  std::uint32_t sequences = 0;
  std::uint32_t sequence_length = 0;
  std::uint32_t held_out = 0;  // the last so many sequences only judge, nothing is fitted to them
  BufferView rope_table;       // as StepActivations::rope_table
  std::uint32_t window = 0;    // sliding window, 0: none
  std::uint32_t layer = 0;     // named in errors
};

// Throws kNotANumber, naming the layer, when the original's activations there are not finite.
void check_finite(bool finite, std::uint32_t layer);

// |y - y_teacher|^2 / |y_teacher|^2 of the layer's output (after W_o), y from the student's inputs.
struct LayerError {
  double fitted = 0;    // over the sequences that may be fitted to
  double held_out = 0;  // over the others; without any, the same as `fitted`
};

// A merged layer that took work, kept for the methods that begin where another ends.
struct MergedCandidate {
  HeadGroups groups;
  AttentionLayer layer;
};

// Holds references to what `inputs` names; that must outlive it. Device memory: four floats per token and width for
// activations, twice the attention weights of a batch of sequences (at most 96 MiB each).
class LayerCalibration {
 public:
  // Runs the teacher over all sequences. Throws kUsage when the attention weights of one sequence do not fit, and for
  // layers with QK-norm, whose gains an AttentionLayer does not hold; kNotANumber when what the teacher
  // computes is not finite; kOutOfMemory; kInterrupted.
  explicit LayerCalibration(const CalibrationInputs& inputs, const CancelFlag* cancel = nullptr);
  ~LayerCalibration();
  LayerCalibration(const LayerCalibration&) = delete;
  LayerCalibration& operator=(const LayerCalibration&) = delete;

  // Of the teacher over the sequences that may be fitted to.
  const LayerStatistics& statistics() const { return statistics_; }
  // Of a layer merged from the source; NaN where that computes no numbers.
  LayerError error(const AttentionLayer& merged);
  // The same, of the held-out sequences only: a tenth of the work.
  double held_out_error(const AttentionLayer& merged);

  // What `fit` last made: `refine` begins there.
  std::optional<MergedCandidate> fitted;

  // For methods that pass over the inputs themselves.
  Device& device() const { return inputs_.device; }
  const KernelProfile& profile() const { return inputs_.profile; }
  const AttentionLayer& source() const { return inputs_.source; }
  const CancelFlag* cancel() const { return cancel_; }
  std::uint32_t sequences() const { return inputs_.sequences; }
  std::uint32_t fitted_sequences() const { return inputs_.sequences - inputs_.held_out; }
  // The first so many of the fitted ones are what least squares pass over, again and again: enough for what they solve
  // for. Gradient descent takes all.
  std::uint32_t least_squares_sequences() const;
  std::uint32_t length() const { return inputs_.sequence_length; }
  // d, and one more input that is always 1 where the layer has biases.
  std::uint32_t input_width() const { return input_width_; }
  // The same rounded up to a multiple of 4: columns of weights on the device.
  std::uint32_t input_columns() const { return input_columns_; }
  const Activations& teacher_inputs() const { return teacher_; }
  const Activations& student_inputs() const { return student_; }
  const Activations& target() const { return target_; }  // the teacher's output [tokens, d]
  AttentionSettings settings() const;
  // So many sequences that their attention weights fit a buffer, and the shape of a pass over them.
  std::uint32_t batch_sequences() const;
  SequenceShape batch_shape(std::uint32_t kv_heads) const;

 private:
  LayerError error_from(const AttentionLayer& merged, std::uint32_t first_sequence);

  CalibrationInputs inputs_;
  const CancelFlag* cancel_;
  std::uint32_t input_width_ = 0, input_columns_ = 0;
  Arena arena_;
  Activations teacher_, student_, target_;
  LayerStatistics statistics_;
};

}  // namespace regroup
