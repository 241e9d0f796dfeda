#include "runtime/decode/batch.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/decode/session.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/step.h"

namespace regroup {

Batch::Batch(const Model& model, const Grouping& grouping, const BatchOptions& options)
    : model_(model),
      grouping_(grouping),
      prefill_chunk_(std::max(options.prefill_chunk, 1u)),
      context_(usable_context(model, options.context)),
      cache_(model.device(), model.config(), grouping.plan().groups(), options.cache_type, context_, options.sequences),
      activations_(model, std::max(prefill_chunk_, options.sequences), options.sequences, context_),
      state_(model.device(), MemoryUse::kDevice, "decode state"),
      readback_(model.device(), MemoryUse::kReadback, "chosen tokens"),
      chunk_list_(model.device()),
      decode_list_(model.device(), options.timestamps),
      sequences_(options.sequences) {
  prompt_tokens_ = &state_.buffer(prefill_chunk_ * 4ull, "prompt tokens");
  prompt_positions_ = &state_.buffer(prefill_chunk_ * 4ull, "prompt positions");
  step_tokens_ = &state_.buffer(options.sequences * 4ull, "tokens");
  step_positions_ = &state_.buffer(options.sequences * 4ull, "positions");
  sampling_scratch_ =
      &state_.buffer(sampling_scratch_bytes(model.device(), model.config().vocabulary), "sampling scratch");
  for (std::uint32_t s = 0; s < options.sequences; ++s) {
    sequences_[s].token = &state_.buffer(4, "next token");
    sequences_[s].position = &state_.buffer(4, "position");
    sequences_[s].history = &state_.buffer((context_ + 1ull) * 4, "history");
    sequences_[s].chosen = &readback_.buffer(16, "chosen");
    place(s, 0, 0);
  }
}

std::uint32_t Batch::active_count() const {
  return static_cast<std::uint32_t>(
      std::count_if(sequences_.begin(), sequences_.end(), [](const Sequence& s) { return s.active; }));
}

// What the next step feeds to the row of `sequence`.
void Batch::place(std::uint32_t sequence, std::uint32_t token, std::uint32_t position) {
  const std::uint32_t words[] = {token, position};
  Device& device = model_.device();
  upload_values<std::uint32_t>(device, *sequences_[sequence].position, {words + 1, 1});
  upload_values<std::uint32_t>(device, *step_tokens_, {words, 1}, sequence * 4ull);
  upload_values<std::uint32_t>(device, *step_positions_, {words + 1, 1}, sequence * 4ull);
}

void Batch::run_chunk(std::uint32_t sequence, std::span<const std::uint32_t> chunk, std::uint32_t first,
                      const CancelFlag* cancel) {
  std::vector<std::uint32_t> positions(chunk.size());
  std::iota(positions.begin(), positions.end(), first);
  upload_values<std::uint32_t>(model_.device(), *prompt_tokens_, chunk);
  upload_values<std::uint32_t>(model_.device(), *prompt_positions_, positions);
  chunk_list_.reset();
  const Step step{.list = chunk_list_,
                  .model = model_,
                  .grouping = grouping_,
                  .cache = cache_,
                  .activations = activations_,
                  .tokens = BufferView(*prompt_tokens_),
                  .positions = BufferView(*prompt_positions_),
                  .token_count = static_cast<std::uint32_t>(chunk.size()),
                  .longest_context = first + static_cast<std::uint32_t>(chunk.size()),
                  .logits = LogitRows::kNone,
                  .sequences = {.first = sequence}};
  record_step(step);
  chunk_list_.run(cancel);
}

void Batch::start(std::uint32_t sequence, std::span<const std::uint32_t> prompt, const SamplingSettings& sampling,
                  const CancelFlag* cancel, const Progress& progress) {
  REGROUP_CHECK(sequence < size());
  check_prompt(model_, prompt, context_);
  stop(sequence);
  const auto fed = static_cast<std::uint32_t>(prompt.size() - 1);
  for (std::uint32_t at = 0; at < fed;) {
    const std::uint32_t count = std::min(prefill_chunk_, fed - at);
    run_chunk(sequence, prompt.subspan(at, count), at, cancel);
    at += count;
    if (progress) progress("prefill", static_cast<double>(at) / fed);
  }
  Sequence& s = sequences_[sequence];
  upload_values<std::uint32_t>(model_.device(), *s.history, prompt);
  place(sequence, prompt.back(), fed);
  s.tokens.assign(prompt.begin(), prompt.end() - 1);
  s.pending = prompt.back();
  s.sampling = sampling;
  s.active = true;
  recorded_context_ = 0;
}

void Batch::stop(std::uint32_t sequence) {
  Sequence& s = sequences_[sequence];
  if (!s.active) return;
  s.active = false;
  // Rows of stopped sequences in front of active ones are still computed: at position 0 they cost least.
  place(sequence, 0, 0);
  recorded_context_ = 0;
}

void Batch::assume_context(std::uint32_t position) {
  REGROUP_CHECK(position < context_);
  if (!std::exchange(constant_cache_, true)) fill_cache(model_.device(), cache_);
  for (std::uint32_t s = 0; s < size(); ++s) {
    sequences_[s].tokens.assign(position, 0);
    sequences_[s].pending = 0;
    sequences_[s].active = true;
    place(s, 0, position);
  }
  record_decode();
}

void Batch::record_decode() {
  std::uint32_t rows = 0;
  std::size_t longest = 0;
  for (std::uint32_t s = 0; s < size(); ++s) {
    if (!sequences_[s].active) continue;
    rows = s + 1;
    longest = std::max(longest, sequences_[s].tokens.size());
  }
  const std::uint32_t longest_context = recorded_context(static_cast<std::uint32_t>(longest), context_);
  recorded_context_ = 0;  // should recording fail
  decode_list_.reset();
  const Step step{.list = decode_list_,
                  .model = model_,
                  .grouping = grouping_,
                  .cache = cache_,
                  .activations = activations_,
                  .tokens = BufferView(*step_tokens_),
                  .positions = BufferView(*step_positions_),
                  .token_count = rows,
                  .longest_context = longest_context,
                  .logits = LogitRows::kAll,
                  .sequences = {.first = 0, .one_token_each = true}};
  record_step(step);
  for (std::uint32_t s = 0; s < rows; ++s) {
    const Sequence& sequence = sequences_[s];
    if (!sequence.active) continue;
    Activations logits = activations_.logits;
    logits.offset += s * logits.stride;
    record(decode_list_, model_.profile(),
           Sample{.logits = logits,
                  .vocabulary = model_.config().vocabulary,
                  .tokens = *sequence.token,
                  .positions = *sequence.position,
                  .history = *sequence.history,
                  .chosen = *sequence.chosen,
                  .scratch = *sampling_scratch_,
                  .settings = sequence.sampling});
    decode_list_.copy(BufferView(*sequence.token, 0, 4), BufferView(*step_tokens_, s * 4ull, 4));
    decode_list_.copy(BufferView(*sequence.position, 0, 4), BufferView(*step_positions_, s * 4ull, 4));
  }
  recorded_context_ = longest_context;
}

std::vector<std::optional<DecodedToken>> Batch::decode() {
  REGROUP_CHECK(active_count() > 0);
  std::size_t longest = 0;
  for (std::uint32_t s = 0; s < size(); ++s) {
    if (!sequences_[s].active) continue;
    if (is_full(s)) {
      throw_error(ErrorCode::kUsage, "the context of {} positions of sequence {} is full; use a larger -c", context_,
                  s);
    }
    longest = std::max(longest, sequences_[s].tokens.size());
  }
  if (recorded_context_ <= longest) record_decode();
  decode_list_.run();
  std::vector<std::optional<DecodedToken>> chosen(size());
  for (std::uint32_t s = 0; s < size(); ++s) {
    Sequence& sequence = sequences_[s];
    if (!sequence.active) continue;
    sequence.tokens.push_back(sequence.pending);
    chosen[s] = read_chosen(model_, *sequence.chosen, sequence.tokens.size());
    sequence.pending = chosen[s]->id;
  }
  return chosen;
}

std::vector<float> Batch::logits(std::uint32_t sequence) const {
  const Activations& rows = activations_.logits;
  const BufferView row(*rows.buffer.buffer, std::uint64_t{4} * sequence * rows.stride,
                       std::uint64_t{4} * model_.config().vocabulary);
  return download_values<float>(model_.device(), row, model_.config().vocabulary);
}

}  // namespace regroup
