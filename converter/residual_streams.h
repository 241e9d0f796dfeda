// The residual streams of all calibration tokens, walked through a model one layer at a time.
#pragma once

#include <memory>

#include "converter/attention_layer.h"
#include "converter/calibration_text.h"
#include "runtime/core/progress.h"
#include "runtime/gpu/buffer.h"
#include "runtime/model/activations.h"
#include "runtime/model/grouping.h"
#include "runtime/model/kv_cache.h"
#include "runtime/model/model.h"

namespace regroup {

// [tokens, hidden] f32 on the device, sequence by sequence, rows padded to whole blocks of 32.
class ResidualStreams {
 public:
  ResidualStreams(Device& device, const ModelConfig& config, const CalibrationText& text);

  std::uint32_t sequences() const { return sequences_; }
  Activations rows() const { return rows_; }
  Activations sequence(std::uint32_t index) const;
  // Takes over the other's sequences from `first` on: as many as this has.
  void copy_from(const ResidualStreams& other, std::uint32_t first = 0);

 private:
  Device& device_;
  Arena arena_;
  std::uint32_t sequences_, sequence_length_;
  Activations rows_;
};

// One layer of a model, resident, with what a pass through it needs. Positions begin at 0 in every sequence.
class ResidentLayer {
 public:
  // Layer `layer` of `file`; throws what Model::load throws.
  ResidentLayer(Device& device, const KernelProfile& profile, const ModelFile& file, std::uint32_t layer,
                const CalibrationText& text, const CancelFlag* cancel);

  const Model& model() const { return *model_; }
  // The layer's rotary table and window.
  BufferView rope_table() const;
  std::uint32_t window() const { return model_->config().layers[0].window; }

  // normed = norm(streams) * gain: the layer's attention input.
  void normed_inputs(const ResidualStreams& streams, const Activations& normed, const CancelFlag* cancel);
  // streams = layer(streams), with the model's own attention or with `merged` in its place, from sequence `first` on.
  void advance(ResidualStreams& streams, const AttentionLayer* merged, const CancelFlag* cancel,
               std::uint32_t first = 0);

 private:
  std::uint32_t length_;
  std::unique_ptr<Model> model_;
  Arena positions_arena_;
  BufferView positions_;
  StepActivations activations_;
};

// streams = embedding of the text.
void embed(Device& device, const KernelProfile& profile, const ModelFile& file, const CalibrationText& text,
           ResidualStreams& streams, const CancelFlag* cancel);

}  // namespace regroup
