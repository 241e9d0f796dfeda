// The intermediate results of a step: one buffer each, sized for the longest run of tokens, zeroed so that padding is
// finite.
#pragma once

#include <cstdint>

#include "runtime/gpu/buffer.h"
#include "runtime/model/model.h"
#include "runtime/ops/linear.h"

namespace regroup {

// Elements from one row of activations.residual and activations.qkv to the next.
std::uint32_t residual_stride(const ModelConfig& config);
std::uint32_t qkv_stride(const ModelConfig& config);

struct StepActivations {
  // max_tokens: longest run of one step; logit_rows: rows of logits that fit.
  StepActivations(const Model& model, std::uint32_t max_tokens, std::uint32_t logit_rows, std::uint32_t rope_positions);

  Arena arena;
  std::uint32_t max_tokens;
  std::uint32_t logit_rows;
  Activations residual;   // [tokens, hidden]
  Activations normed;     // [tokens, hidden]
  Activations qkv;        // [tokens, (H + 2 G) * head_dim], queries first
  Activations attention;  // [tokens, H * head_dim]
  Activations projected;  // [tokens, hidden]: a block's output before its post-norm
  Activations gate, up;   // [tokens, feed_forward]; `gate` also takes the gated product
  Activations logits;     // [logit_rows, vocabulary]
  BufferView attention_scratch;
  BufferView rope_table, local_rope_table;
};

}  // namespace regroup
