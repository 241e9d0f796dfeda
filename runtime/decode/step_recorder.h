// Copies what an observer asks for out of the real pass: the queries of one layer and the residual stream after every
// layer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "runtime/gpu/buffer.h"
#include "runtime/model/model.h"
#include "runtime/model/step.h"

namespace regroup {

// Of one step over `token_count` tokens from `first_position` on.
struct ObservedStep {
  std::uint32_t first_position = 0;
  std::uint32_t token_count = 0;
  std::vector<float> queries;    // [token_count, H * head_dim], rotated, of the observed layer; empty without one
  std::vector<float> residuals;  // [layers, hidden]: the last token's after each layer; empty unless asked for
};

struct StepObserver {
  std::optional<std::uint32_t> attention_layer;
  bool residuals = false;
  std::function<void(const ObservedStep&)> on_step;  // after every step, on the thread that runs the session
};

class StepRecorder {
 public:
  // `model` must outlive this. Throws kOutOfMemory; kUsage for a layer that the model does not have.
  StepRecorder(const Model& model, std::uint32_t max_tokens, StepObserver observer);

  const StepWatch& watch() const { return watch_; }
  // Reads back what the step that has just run copied, and tells the observer.
  void report(std::uint32_t first_position, std::uint32_t token_count) const;

 private:
  const Model& model_;
  StepObserver observer_;
  Arena arena_;
  StepWatch watch_;
  std::uint32_t qkv_stride_, residual_stride_;  // elements
};

}  // namespace regroup
