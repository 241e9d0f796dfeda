// Fits queries and keys of a merged layer to the teacher's logits, each by linear least squares while the other stays.
#pragma once

#include <vector>

#include "converter/training/student_layer.h"

namespace regroup {

// Minimises the mean over fitted tokens s of  sum over heads h of  f_h Var_{t ~ a_st}(l_st - l^teacher_st), a and
// l^teacher the teacher's attention weights and logits: softmax ignores what a row's logits have in common, and an
// error counts as much as the weight it stands under.
class LogitFit {
 public:
  // teacher: in the student's order of heads. factors: f_h, one per head.
  LogitFit(LayerCalibration& calibration, const WhitenedInputs& inputs, const AttentionLayer& teacher,
           std::uint32_t kv_heads, std::vector<float> factors);

  // New queries for the student's keys; new keys for its queries.
  WeightRows queries(const StudentLayer& student, int iterations, double ridge);
  WeightRows keys(const StudentLayer& student, int iterations, double ridge);

 private:
  struct Batch {
    std::uint32_t first_token;
    SequenceShape teacher, student;
  };
  void teach_weights(AttentionProducts& products, const Batch& batch);
  void teach_logits(AttentionProducts& products, const Batch& batch);
  void project(const WeightRows& weights, const DeviceWeights& on_device, const Activations& rows, std::uint32_t heads);
  void record_queries(CommandList& list, bool against_teacher);
  void record_keys(CommandList& list, bool against_teacher);

  LayerCalibration& calibration_;
  const WhitenedInputs& inputs_;
  AttentionSettings settings_;
  std::vector<float> factors_;
  std::vector<Batch> batches_;
  Arena arena_;
  Activations teacher_queries_, teacher_keys_;  // of all fitted tokens, rotated
  Activations queries_, keys_;                  // the student's, of all fitted tokens
  Activations queries_scratch_, keys_scratch_;  // of a batch: what is being fitted, then its gradient
  BufferView weights_, errors_;                 // squares of a batch
  DeviceWeights query_, key_, query_gradient_, key_gradient_;
};

}  // namespace regroup
