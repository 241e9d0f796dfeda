// One sequence being decoded: its cache, position and pre-recorded step. Reads a Model and a Grouping, owns everything
// that changes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/decode/chosen_token.h"
#include "runtime/decode/step_recorder.h"
#include "runtime/gpu/command_list.h"
#include "runtime/model/activations.h"
#include "runtime/model/grouping.h"
#include "runtime/model/kv_cache.h"
#include "runtime/model/model.h"
#include "runtime/model/step.h"
#include "runtime/ops/sampling.h"

namespace regroup {

struct SessionOptions {
  std::uint32_t context = 0;  // positions; 0: the model's trained context, at most kDefaultContext
  CacheType cache_type = CacheType::kF16;
  std::uint32_t prefill_chunk = 128;  // tokens per prefill step; larger ones only lengthen the wait after Ctrl-C
  std::uint32_t logit_rows = 16;  // rows of logits held at once when all are wanted: 16 take 16 MiB at a vocabulary of
                                  // 262144; more make all_logits() faster
  SamplingSettings sampling;
  bool timestamps = false;  // measure every dispatch
};

inline constexpr std::uint32_t kDefaultContext = 4096;

// What happens to cached keys and values when G changes in the middle of a sequence.
enum class RegroupMode {
  kPoolCache,  // pooled in place: instant; exact in layer 0 of models whose keys are linear up to RoPE, an
               // approximation in deeper layers (their inputs were computed with the old grouping) and everywhere under
               // QK-norm
  kReprefill,  // the sequence so far is decoded again with the new grouping: exact, costs a prefill
};

// Positions that a session holds when `asked` for (0: its default for this model).
std::uint32_t usable_context(const Model& model, std::uint32_t asked);
// The longest context that a decoding step is recorded for when `position` tokens are cached: attention is split for
// that length, and recording again is rare.
std::uint32_t recorded_context(std::uint32_t position, std::uint32_t context);

class Session {
 public:
  // `model` and `grouping` must outlive the session or the next regroup(). Throws kOutOfMemory, kUsage.
  Session(const Model& model, const Grouping& grouping, const SessionOptions& options);

  std::uint32_t context() const { return context_; }
  std::uint32_t position() const {
    return static_cast<std::uint32_t>(tokens_.size());
  }  // tokens whose keys are cached or about to be
  const std::vector<std::uint32_t>& tokens() const { return tokens_; }
  const Grouping& grouping() const { return *grouping_; }
  const KvCache& cache() const { return *cache_; }
  const Model& model() const { return model_; }

  // Feeds `tokens` and chooses the one that follows (not yet part of tokens(); the next decode() feeds it). Throws
  // kUsage for an empty run, an id outside the vocabulary, or more tokens than the context holds; kInterrupted when
  // cancelled. After a failure tokens() is what it was before.
  DecodedToken prefill(std::span<const std::uint32_t> tokens, const CancelFlag* cancel = nullptr,
                       const Progress& progress = {});

  // Feeds the token chosen last and chooses the next. Needs position() < context().
  DecodedToken decode();

  // Feeds `tokens` and calls rows(first token's index, logits of a few tokens [count, vocabulary]) for all of them.
  using LogitConsumer = std::function<void(std::size_t first, std::span<const float> rows)>;
  void all_logits(std::span<const std::uint32_t> tokens, const LogitConsumer& rows, const CancelFlag* cancel = nullptr,
                  const Progress& progress = {});

  // Feeds `tokens`, at most most_logit_rows() of them, and leaves the logits of all on the device, [tokens,
  // vocabulary], until the next call.
  Activations device_logits(std::span<const std::uint32_t> tokens, const CancelFlag* cancel = nullptr);
  std::uint32_t most_logit_rows() const { return std::min(options_.logit_rows, options_.prefill_chunk); }

  // The logits of the last step: after a choice those that it was made from.
  std::vector<float> last_logits() const;

  // Goes on with another grouping of the same model; kPoolCache means kReprefill where one of the two has merged
  // layers. Throws kOutOfMemory (the session then still has the old one).
  void regroup(const Grouping& grouping, RegroupMode mode, const CancelFlag* cancel = nullptr,
               const Progress& progress = {});

  // Forgets everything but the first `count` tokens; the next call must be prefill().
  void rewind(std::uint32_t count);

  // For measurements: as if `position` tokens had been fed, whose keys and values are constants; the next decode()
  // feeds token 0.
  void assume_context(std::uint32_t position);

  // Changes sampling from the next choice on.
  void set_sampling(const SamplingSettings& settings);

  // From the next step on hands what it asks for to `observer`; one without on_step ends that. Throws kOutOfMemory.
  void observe(StepObserver observer);

  // Dispatch times of the last decode(), and of the last prefill's last chunk, when options.timestamps; otherwise
  // empty.
  std::vector<DispatchTiming> step_timings() const { return decode_list_->timings(); }
  std::vector<DispatchTiming> chunk_timings() const { return chunk_timings_; }
  std::size_t dispatches_per_token() const { return decode_list_->dispatch_count(); }
  // Device bytes beyond weights and cache.
  std::uint64_t scratch_bytes() const { return activations_->arena.requested_bytes() + state_.requested_bytes(); }

 private:
  void run_chunk(std::span<const std::uint32_t> chunk, LogitRows logits, const CancelFlag* cancel);
  void prefill_all(std::span<const std::uint32_t> tokens, const CancelFlag* cancel, const Progress& progress);
  void record_decode();
  void record_sample(CommandList& list);
  DecodedToken take(const DecodedToken& token);
  void set_position(std::uint32_t position);
  void place_pending();

  const Model& model_;
  const Grouping* grouping_;
  SessionOptions options_;
  std::uint32_t context_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<StepActivations> activations_;
  Arena state_;
  Arena readback_;
  const Buffer* step_tokens_;     // [prefill_chunk] u32; [0] is the next token while decoding
  const Buffer* step_positions_;  // [prefill_chunk] u32
  const Buffer* history_;         // [context + 1] u32
  const Buffer* chosen_;          // [4] u32
  const Buffer* sampling_scratch_;
  std::unique_ptr<StepRecorder> recorder_;
  std::unique_ptr<CommandList> chunk_list_;
  std::unique_ptr<CommandList> decode_list_;
  std::vector<DispatchTiming> chunk_timings_;
  bool constant_cache_ = false;         // see assume_context()
  std::uint32_t recorded_context_ = 0;  // longest context that decode_list_ was recorded for
  std::vector<std::uint32_t> tokens_;   // fed so far
  std::uint32_t pending_ = 0;           // chosen, not fed
  bool misplaced_ = false;              // the device's state is not that of pending_ and position()
};

}  // namespace regroup
