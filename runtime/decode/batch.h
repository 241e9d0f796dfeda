// Several sequences decoded together: one pass per step, so that weights are read once for all of them, while each has
// its own cache, length and sampler. Sequence i draws the tokens that a Session with its prompt and settings would (but
// for the rounding of products over several tokens, which moves a probability by 1e-5 or so with a cache of f32).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/decode/chosen_token.h"
#include "runtime/gpu/command_list.h"
#include "runtime/model/activations.h"
#include "runtime/model/grouping.h"
#include "runtime/model/kv_cache.h"
#include "runtime/ops/sampling.h"

namespace regroup {

struct BatchOptions {
  std::uint32_t sequences = 1;
  std::uint32_t context = 0;  // positions of each sequence; 0: as for a Session
  CacheType cache_type = CacheType::kF16;
  std::uint32_t prefill_chunk = 128;
  bool timestamps = false;  // measure every dispatch of decoding steps
};

class Batch {
 public:
  // `model` and `grouping` must outlive the batch. Throws kOutOfMemory, kUsage.
  Batch(const Model& model, const Grouping& grouping, const BatchOptions& options);

  std::uint32_t size() const { return static_cast<std::uint32_t>(sequences_.size()); }
  std::uint32_t context() const { return context_; }
  const KvCache& cache() const { return cache_; }

  // Gives `sequence` a prompt (forgetting what it was), whose last token the next decode() feeds. Throws kUsage for an
  // empty prompt, an id outside the vocabulary or more tokens than the context holds; kInterrupted when cancelled,
  // after which the sequence is stopped.
  void start(std::uint32_t sequence, std::span<const std::uint32_t> prompt, const SamplingSettings& sampling,
             const CancelFlag* cancel = nullptr, const Progress& progress = {});

  // For measurements: as if every sequence had been fed `position` tokens, whose keys and values are constants.
  void assume_context(std::uint32_t position);

  // The sequence takes no part in the steps that follow until it is started again.
  void stop(std::uint32_t sequence);
  bool active(std::uint32_t sequence) const { return sequences_[sequence].active; }
  std::uint32_t active_count() const;
  // Tokens fed so far.
  const std::vector<std::uint32_t>& tokens(std::uint32_t sequence) const { return sequences_[sequence].tokens; }
  bool is_full(std::uint32_t sequence) const { return sequences_[sequence].tokens.size() >= context_; }

  // Feeds every active sequence its next token and chooses the one that follows; by sequence, nothing for those that
  // are stopped. At least one must be active; throws kUsage when an active one is full.
  std::vector<std::optional<DecodedToken>> decode();

  // Logits that the last choice for `sequence` was made from.
  std::vector<float> logits(std::uint32_t sequence) const;

  // Dispatch times of the last decode() when options.timestamps; otherwise empty.
  std::vector<DispatchTiming> step_timings() const { return decode_list_.timings(); }
  std::size_t dispatches_per_step() const { return decode_list_.dispatch_count(); }
  // Device bytes beyond weights and cache.
  std::uint64_t scratch_bytes() const { return activations_.arena.requested_bytes() + state_.requested_bytes(); }

 private:
  struct Sequence {
    bool active = false;
    std::vector<std::uint32_t> tokens;
    std::uint32_t pending = 0;  // to be fed next
    SamplingSettings sampling;
    // The sampler's state, a buffer each because bindings must be aligned.
    const Buffer* token = nullptr;
    const Buffer* position = nullptr;
    const Buffer* history = nullptr;  // [context + 1] u32
    const Buffer* chosen = nullptr;   // [4] u32
  };

  void run_chunk(std::uint32_t sequence, std::span<const std::uint32_t> chunk, std::uint32_t first,
                 const CancelFlag* cancel);
  void place(std::uint32_t sequence, std::uint32_t token, std::uint32_t position);
  void record_decode();

  const Model& model_;
  const Grouping& grouping_;
  std::uint32_t prefill_chunk_;
  std::uint32_t context_;
  KvCache cache_;
  StepActivations activations_;
  Arena state_;
  Arena readback_;
  const Buffer* prompt_tokens_;     // [prefill_chunk] u32
  const Buffer* prompt_positions_;  // [prefill_chunk] u32
  const Buffer* step_tokens_;       // [sequences] u32
  const Buffer* step_positions_;    // [sequences] u32
  const Buffer* sampling_scratch_;
  CommandList chunk_list_;
  CommandList decode_list_;
  std::vector<Sequence> sequences_;
  bool constant_cache_ = false;         // see assume_context()
  std::uint32_t recorded_context_ = 0;  // longest context that decode_list_ was recorded for; 0: record again
};

}  // namespace regroup
