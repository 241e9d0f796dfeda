// A whole model forward and backward over whole sequences on the device: what training its attention layers together
// stands on. Weights are f32, all intermediate results of a forward pass are kept for the way back.
#pragma once

#include <memory>
#include <vector>

#include "converter/training/frozen_model.h"

namespace regroup {

class ModelPass {
 public:
  // Of up to `sequences` sequences of `length` tokens; kv_heads: one number per layer.
  ModelPass(const FrozenModel& model, const std::vector<std::uint32_t>& kv_heads, std::uint32_t sequences,
            std::uint32_t length);

  // Records the model's final states (after the last norm, before the output matrix) of the first `sequences`
  // sequences of `embedded`. attention: one per layer. embedded: [tokens, d], rows as far apart as `states`' rows.
  void forward(CommandList& list, const std::vector<DeviceAttention>& attention, const Activations& embedded,
               std::uint32_t sequences);
  // Records the gradients of the attention weights for `dstates`, the gradient of the states: after a forward over the
  // same sequences. gradients: one per layer; null for layers whose weights nobody trains.
  void backward(CommandList& list, const std::vector<DeviceAttention>& attention, const Activations& dstates,
                const std::vector<const DeviceAttention*>& gradients, std::uint32_t sequences);

  Activations states;  // [tokens, d]

  std::uint32_t sequences() const { return sequences_; }
  std::uint32_t tokens() const { return sequences_ * length_; }

 private:
  struct Layer {
    std::unique_ptr<AttentionPass> attention;
    Activations before, normed, between;  // the stream before attention, its norm, the stream after attention
    Activations gate, up;
  };
  Activations rows(std::uint32_t columns, std::string_view name);
  void norm(CommandList& list, const Activations& x, const BufferView& gain, const Activations& y,
            std::uint32_t tokens);
  void norm_back(CommandList& list, const Activations& x, const BufferView& gain, const Activations& dy,
                 std::uint32_t tokens);

  const FrozenModel& model_;
  std::uint32_t sequences_, length_;
  Arena arena_;
  std::vector<Layer> layers_;
  Activations last_;             // the stream after the last layer
  Activations normed_, hidden_;  // of one layer: normed input of the feed-forward layer, its gated product
  Activations stream_gradient_, d_normed_, d_hidden_;
};

}  // namespace regroup
