// One forward step over a run of tokens, as architectures record it: the inputs, and the few phrases that their scripts
// share.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "runtime/gpu/command_list.h"
#include "runtime/model/activations.h"
#include "runtime/model/grouping.h"
#include "runtime/model/kv_cache.h"
#include "runtime/model/model.h"

namespace regroup {

// Which rows of logits a step computes.
enum class LogitRows { kNone, kLast, kAll };

// What somebody who looks on gets copies of while a step runs; nothing is copied, nor any dispatch added, without one.
struct StepWatch {
  std::optional<std::uint32_t> layer;  // whose rotated queries are copied
  BufferView qkv;                      // [token_count, activations.qkv.stride] f32, queries first
  BufferView residuals;                // [layers, activations.residual.stride] f32: the last token's, after each layer
};

struct Step {
  CommandList& list;
  const Model& model;
  const Grouping& grouping;
  const KvCache& cache;
  const StepActivations& activations;
  BufferView tokens;     // [token_count] u32
  BufferView positions;  // [token_count] u32, consecutive within a sequence
  std::uint32_t token_count = 1;
  std::uint32_t longest_context = 0;  // see Attention
  LogitRows logits = LogitRows::kLast;
  CacheSequences sequences = {};  // whose tokens they are
  const StepWatch* watch = nullptr;

  const KernelProfile& profile() const { return model.profile(); }
};

// residual = embedding of the tokens.
void embed_tokens(const Step& step);

// y = W norm(x) for each projection of `projections` (a norm is folded into a single token's products, a pass of its
// own for more).
void project_normed(const Step& step, std::span<const Projection> projections, const Activations& x,
                    BufferView norm_gain, const Activations& y, GatedActivation gated = GatedActivation::kNone);
// y = W x, or y += W x.
void project(const Step& step, const Projection& projection, const Activations& x, const Activations& y,
             bool accumulate = false);

// activations.qkv = W norm(x) for the projections of layer l's queries, keys and values, rotated and stored: in the
// same dispatch where the device's kernels can.
void project_and_store(const Step& step, std::uint32_t l);
// Rotates queries and keys of activations.qkv and stores keys and values of layer l.
void rotate_and_store(const Step& step, std::uint32_t l);
// activations.attention = grouped attention of layer l.
void attend(const Step& step, std::uint32_t l);
// activations.gated = act(gate(norm(residual))) * up(norm(residual)).
void gate_and_up(const Step& step, std::uint32_t l);

// A whole step: residual = embedding, scaled; every layer in turn; logits.
void record_step(const Step& step);

// logits = W norm(residual) for the rows that the step asks for, soft-capped where the model says so.
void compute_logits(const Step& step);

}  // namespace regroup
