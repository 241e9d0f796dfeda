#include "runtime/model/step.h"

#include <algorithm>
#include <vector>

#include "runtime/core/error.h"
#include "runtime/model/architecture.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/embedding.h"
#include "runtime/ops/gated_activation.h"
#include "runtime/ops/rms_norm.h"
#include "runtime/ops/rope_store.h"
#include "runtime/ops/sampling.h"

namespace regroup {
namespace {

// The same rows, starting `elements` further right.
Activations shifted(Activations a, std::uint32_t elements) {
  a.offset += elements;
  return a;
}

Linear normed_product(const Step& step, const Projection& projection, const Activations& x, BufferView norm_gain,
                      const Activations& y, GatedActivation gated) {
  const bool fused = step.token_count <= kFusedNormTokens;
  return {.weight = projection.matrix,
          .x = fused ? x : step.activations.normed,
          .y = shifted(y, projection.y_offset),
          .tokens = step.token_count,
          .norm_gain = fused ? norm_gain : BufferView{},
          .norm_epsilon = step.model.config().norm_epsilon,
          .bias = projection.bias,
          .gated = gated};
}

RopeStore rope_store_of(const Step& step, std::uint32_t l) {
  const ModelConfig& config = step.model.config();
  const LayerWeights& weights = step.model.layer(l);
  const Activations& qkv = step.activations.qkv;
  const std::uint32_t queries = config.query_columns();
  const std::uint32_t keys = step.grouping.groups(l) * config.head_dim;
  return {.q = qkv,
          .k = shifted(qkv, queries),
          .v = shifted(qkv, queries + keys),
          .positions = step.positions,
          .rope_table = config.layers[l].local_rope ? step.activations.local_rope_table : step.activations.rope_table,
          .q_norm_gain = weights.query_norm,
          .k_norm_gain = weights.key_norm,
          .norm_epsilon = config.norm_epsilon,
          .cache = step.cache.layer(l),
          .sequences = step.sequences,
          .query_heads = config.query_heads,
          .head_dim = config.head_dim,
          .rotary_dims = config.rotary_dims,
          .layout = RopeLayout::kInterleaved,
          .tokens = step.token_count};
}

// The part of `buffer` that holds rows first, first + 1, ... as a view of its own.
BufferView rows_of(const Activations& a, std::uint32_t first, std::uint32_t count) {
  return BufferView(*a.buffer.buffer, a.buffer.offset_bytes + (a.offset + std::uint64_t{first} * a.stride) * 4,
                    std::uint64_t{count} * a.stride * 4);
}

void copy_watched(const Step& step, std::uint32_t l) {
  const StepActivations& a = step.activations;
  const StepWatch& watch = *step.watch;
  if (watch.layer == l) {
    const BufferView from = rows_of(a.qkv, 0, step.token_count);
    step.list.copy(from, BufferView(*watch.qkv.buffer, watch.qkv.offset_bytes, from.size_bytes));
  }
  if (watch.residuals) {
    const BufferView from = rows_of(a.residual, step.token_count - 1, 1);
    step.list.copy(
        from, BufferView(*watch.residuals.buffer, watch.residuals.offset_bytes + l * from.size_bytes, from.size_bytes));
  }
}

}  // namespace

void embed_tokens(const Step& step) {
  record(step.list, step.profile(),
         Embedding{.table = step.model.embedding(),
                   .tokens = step.tokens,
                   .y = step.activations.residual,
                   .token_count = step.token_count,
                   .scale = step.model.config().embedding_scale});
}

void project_normed(const Step& step, std::span<const Projection> projections, const Activations& x,
                    BufferView norm_gain, const Activations& y, GatedActivation gated) {
  const ModelConfig& config = step.model.config();
  const bool fused = step.token_count <= kFusedNormTokens;
  if (!fused) {
    record(step.list, step.profile(),
           RmsNorm{.x = x,
                   .y = step.activations.normed,
                   .gain = norm_gain,
                   .columns = config.hidden,
                   .tokens = step.token_count,
                   .epsilon = config.norm_epsilon});
  }
  for (const Projection& projection : projections) {
    record(step.list, step.profile(), normed_product(step, projection, x, norm_gain, y, gated));
  }
}

void project(const Step& step, const Projection& projection, const Activations& x, const Activations& y,
             bool accumulate) {
  record(step.list, step.profile(),
         Linear{.weight = projection.matrix,
                .x = x,
                .y = shifted(y, projection.y_offset),
                .tokens = step.token_count,
                .bias = projection.bias,
                .accumulate = accumulate});
}

void rotate_and_store(const Step& step, std::uint32_t l) {
  record(step.list, step.profile(), rope_store_of(step, l));
}

void project_and_store(const Step& step, std::uint32_t l) {
  const StepActivations& a = step.activations;
  const BufferView gain = step.model.layer(l).attention_norm;
  const RopeStore rope_store = rope_store_of(step, l);
  std::vector<Linear> products;
  for (const Projection& projection : step.grouping.qkv(l)) {
    products.push_back(normed_product(step, projection, a.residual, gain, a.qkv, GatedActivation::kNone));
  }
  const bool together = std::all_of(products.begin(), products.end(), [&](const Linear& product) {
    return takes_rope_store(step.profile(), product, rope_store);
  });
  if (!together) {
    project_normed(step, step.grouping.qkv(l), a.residual, gain, a.qkv);
    record(step.list, step.profile(), rope_store);
    return;
  }
  for (Linear& product : products) {
    product.rope_store = &rope_store;
    record(step.list, step.profile(), product);
  }
}

void attend(const Step& step, std::uint32_t l) {
  const ModelConfig& config = step.model.config();
  record(step.list, step.profile(),
         Attention{.q = step.activations.qkv,
                   .out = step.activations.attention,
                   .positions = step.positions,
                   .cache = step.cache.layer(l),
                   .sequences = step.sequences,
                   .query_heads = config.query_heads,
                   .head_dim = config.head_dim,
                   .tokens = step.token_count,
                   .scale = config.attention_scale,
                   .window = config.layers[l].window,
                   .longest_context = step.longest_context,
                   .scratch = step.activations.attention_scratch});
}

void gate_and_up(const Step& step, std::uint32_t l) {
  const ModelConfig& config = step.model.config();
  const LayerWeights& weights = step.model.layer(l);
  const StepActivations& a = step.activations;
  if (weights.gate_up) {
    project_normed(step, {&*weights.gate_up, 1}, a.residual, weights.feed_forward_norm, a.gate, config.activation);
    return;
  }
  project_normed(step, {&weights.gate, 1}, a.residual, weights.feed_forward_norm, a.gate);
  project_normed(step, {&weights.up, 1}, a.residual, weights.feed_forward_norm, a.up);
  record(step.list, step.profile(),
         GatedProduct{.gate = a.gate,
                      .up = a.up,
                      .y = a.gate,
                      .columns = config.feed_forward,
                      .tokens = step.token_count,
                      .activation = config.activation});
}

void record_step(const Step& step) {
  embed_tokens(step);
  for (std::uint32_t l = 0; l < step.model.config().layer_count(); ++l) {
    step.model.architecture().record_layer(step, l);
    if (step.watch != nullptr) copy_watched(step, l);
  }
  compute_logits(step);
}

void compute_logits(const Step& step) {
  if (step.logits == LogitRows::kNone) return;
  const ModelConfig& config = step.model.config();
  const StepActivations& a = step.activations;
  const bool all = step.logits == LogitRows::kAll;
  const std::uint32_t rows = all ? step.token_count : 1;
  REGROUP_CHECK(rows <= a.logit_rows);
  Step head = step;
  head.token_count = rows;
  const Activations last = all ? a.residual : shifted(a.residual, (step.token_count - 1) * a.residual.stride);
  const Projection output{step.model.output()};
  project_normed(head, {&output, 1}, last, step.model.final_norm(), a.logits);
  if (config.final_soft_cap > 0) {
    record(step.list, step.profile(),
           SoftCap{.logits = a.logits, .columns = config.vocabulary, .tokens = rows, .cap = config.final_soft_cap});
  }
}

}  // namespace regroup
