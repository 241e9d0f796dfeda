// One attention layer forward and backward over whole sequences on the device, all weights f32: what training a layer,
// or a model of such layers, stands on.
#pragma once

#include <vector>

#include "converter/attention_layer.h"
#include "converter/training/attention_products.h"

namespace regroup {

// The four matrices. Biases are columns of weights for an input that is always 1, where there are any.
struct DeviceAttention {
  DeviceWeights query, key, value;  // [H D, I], [n D, I], [n D, I]
  DeviceWeights output;             // [d, H D]
};

// Four new buffers of an attention layer's sizes. inputs: I, a multiple of 4.
DeviceAttention allocate_attention(Arena& arena, const AttentionLayer& sizes, std::uint32_t inputs);
// Copies weights there: columns 0 .. d-1 are the weights, column d the biases where the layer has any, the rest 0.
void upload_attention(Device& device, const AttentionLayer& layer, const DeviceAttention& to);
void upload_weights(Device& device, const WeightRows& weights, const DeviceWeights& to);
WeightRows download_weights(Device& device, const DeviceWeights& from);

// What the layer needs beside its weights.
struct AttentionSettings {
  std::uint32_t rotary_dims = 0;
  float scale = 0;
  std::uint32_t window = 0;
  BufferView rope_table;  // [>= T, rotary_dims / 2] pairs (cos, sin)
};

// Intermediate results of up to `shape.sequences` sequences: kept between forward and backward.
class AttentionPass {
 public:
  AttentionPass(Device& device, const KernelProfile& profile, const SequenceShape& shape,
                const AttentionSettings& settings);

  // Records y = Attention(x) W_o^T + beta y over the first `sequences` (at most the shape's) of x and y. [tokens, I] ->
  // [tokens, d]
  void forward(CommandList& list, const DeviceAttention& weights, const Activations& x, const Activations& y,
               std::uint32_t sequences, float beta = 0);
  // Records the gradients of the weights (times alpha, plus beta of what they hold) for dy, the gradient of y: after a
  // forward over the same sequences. dy: [tokens, d]
  void backward(CommandList& list, const DeviceAttention& weights, const Activations& x, const Activations& dy,
                const DeviceAttention& gradients, std::uint32_t sequences, float alpha = 1, float beta = 0);
  // Records the gradients of the inputs, and of the weights where `gradients` are given. dx: [tokens, I]
  void backward_to_inputs(CommandList& list, const DeviceAttention& weights, const Activations& x,
                          const Activations& dy, const DeviceAttention* gradients, const Activations& dx,
                          std::uint32_t sequences);

  // What a forward leaves: rotated queries and keys, values, each head's output [tokens, ...], weights [S, H, T, T].
  Activations queries, keys, values, heads;
  BufferView weights;

  const SequenceShape& shape() const { return shape_; }

 private:
  // Where gradients go; null: nobody asks for these.
  struct Gradients {
    const DeviceAttention* weights = nullptr;
    const Activations* inputs = nullptr;
    float alpha = 1, beta = 0;  // of the weights'
  };
  SequenceShape of(std::uint32_t sequences) const;
  void allocate_backward();
  void record_backward(CommandList& list, const DeviceAttention& weights, const Activations& x, const Activations& dy,
                       const Gradients& to, std::uint32_t sequences);

  Device& device_;
  const KernelProfile& profile_;
  SequenceShape shape_;
  AttentionSettings settings_;
  Arena arena_;
  // Gradients of what their names say, made when first needed.
  Activations heads_gradient_, queries_gradient_, kv_gradient_;
  BufferView weights_gradient_;
};

}  // namespace regroup
