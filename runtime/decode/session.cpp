#include "runtime/decode/session.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/pool_cache.h"
#include "runtime/model/step.h"

namespace regroup {
namespace {

// Decoding is recorded for contexts up to the next of these steps, so that splits fit the length and re-recording is
// rare.
constexpr std::uint32_t kShortestRecording = 256;

}  // namespace

std::uint32_t usable_context(const Model& model, std::uint32_t asked) {
  return asked != 0 ? asked : std::min(model.config().context_length, kDefaultContext);
}

std::uint32_t recorded_context(std::uint32_t position, std::uint32_t context) {
  return std::min(std::max(kShortestRecording, std::bit_ceil(position + 1)), std::max(context, 1u));
}

Session::Session(const Model& model, const Grouping& grouping, const SessionOptions& options)
    : model_(model),
      grouping_(&grouping),
      options_(options),
      context_(usable_context(model, options.context)),
      cache_(std::make_unique<KvCache>(model.device(), model.config(), grouping.plan().groups(), options.cache_type,
                                       context_)),
      activations_(std::make_unique<StepActivations>(model, std::max(options.prefill_chunk, 1u),
                                                     std::max(options.logit_rows, 1u), context_)),
      state_(model.device(), MemoryUse::kDevice, "decode state"),
      readback_(model.device(), MemoryUse::kReadback, "chosen token") {
  options_.prefill_chunk = std::max(options.prefill_chunk, 1u);
  options_.logit_rows = std::max(options.logit_rows, 1u);
  step_tokens_ = &state_.buffer(options_.prefill_chunk * 4ull, "tokens");
  step_positions_ = &state_.buffer(options_.prefill_chunk * 4ull, "positions");
  history_ = &state_.buffer((context_ + 1ull) * 4, "history");
  sampling_scratch_ =
      &state_.buffer(sampling_scratch_bytes(model.device(), model.config().vocabulary), "sampling scratch");
  chosen_ = &readback_.buffer(16, "chosen");
  chunk_list_ = std::make_unique<CommandList>(model.device(), options.timestamps);
  decode_list_ = std::make_unique<CommandList>(model.device(), options.timestamps);
  tokens_.reserve(context_);
}

void Session::run_chunk(std::span<const std::uint32_t> chunk, LogitRows logits, const CancelFlag* cancel) {
  misplaced_ = true;
  const auto first = static_cast<std::uint32_t>(tokens_.size());
  std::vector<std::uint32_t> positions(chunk.size());
  std::iota(positions.begin(), positions.end(), first);
  upload_values<std::uint32_t>(model_.device(), *step_tokens_, chunk);
  upload_values<std::uint32_t>(model_.device(), *step_positions_, positions);
  upload_values<std::uint32_t>(model_.device(), *history_, chunk, first * 4ull);
  CommandList& list = *chunk_list_;
  list.reset();
  const Step step{.list = list,
                  .model = model_,
                  .grouping = *grouping_,
                  .cache = *cache_,
                  .activations = *activations_,
                  .tokens = BufferView(*step_tokens_),
                  .positions = BufferView(*step_positions_),
                  .token_count = static_cast<std::uint32_t>(chunk.size()),
                  .longest_context = first + static_cast<std::uint32_t>(chunk.size()),
                  .logits = logits,
                  .watch = recorder_ ? &recorder_->watch() : nullptr};
  record_step(step);
  list.run(cancel);
  chunk_timings_ = list.timings();
  if (recorder_) recorder_->report(first, static_cast<std::uint32_t>(chunk.size()));
  tokens_.insert(tokens_.end(), chunk.begin(), chunk.end());
}

void Session::prefill_all(std::span<const std::uint32_t> tokens, const CancelFlag* cancel, const Progress& progress) {
  const std::size_t before = tokens_.size();
  try {
    for (std::size_t at = 0; at < tokens.size();) {
      const std::size_t count = std::min<std::size_t>(options_.prefill_chunk, tokens.size() - at);
      const bool last = at + count == tokens.size();
      run_chunk(tokens.subspan(at, count), last ? LogitRows::kLast : LogitRows::kNone, cancel);
      at += count;
      if (progress) progress("prefill", static_cast<double>(at) / static_cast<double>(tokens.size()));
    }
  } catch (...) {
    // The cache beyond `before` holds parts of a run that did not finish; nothing reads it.
    tokens_.resize(before);
    throw;
  }
}

// After an interruption: what the next decode() feeds, as if nothing had happened.
void Session::place_pending() {
  const std::uint32_t next[] = {pending_};
  upload_values<std::uint32_t>(model_.device(), *step_tokens_, next);
  upload_values<std::uint32_t>(model_.device(), *history_, next, position() * 4ull);
  set_position(position());
  misplaced_ = false;
}

void Session::set_position(std::uint32_t position) {
  const std::uint32_t value[] = {position};
  upload_values<std::uint32_t>(model_.device(), *step_positions_, value);
}

void Session::record_sample(CommandList& list) {
  record(list, model_.profile(),
         Sample{.logits = activations_->logits,
                .vocabulary = model_.config().vocabulary,
                .tokens = *step_tokens_,
                .positions = *step_positions_,
                .history = *history_,
                .chosen = *chosen_,
                .scratch = *sampling_scratch_,
                .settings = options_.sampling});
}

DecodedToken Session::take(const DecodedToken& token) {
  pending_ = token.id;
  misplaced_ = false;
  return token;
}

DecodedToken Session::prefill(std::span<const std::uint32_t> tokens, const CancelFlag* cancel,
                              const Progress& progress) {
  check_prompt(model_, tokens, context_, tokens_.size());
  const std::size_t before = tokens_.size();
  prefill_all(tokens, cancel, progress);
  try {
    // The sampler moves the position on by one from the last fed token's.
    set_position(static_cast<std::uint32_t>(tokens_.size()) - 1);
    CommandList& list = *chunk_list_;
    list.reset();
    record_sample(list);
    list.run();
    return take(read_chosen(model_, *chosen_, tokens_.size()));
  } catch (...) {
    tokens_.resize(before);
    throw;
  }
}

void Session::record_decode() {
  recorded_context_ = 0;  // should recording fail
  const std::uint32_t longest = recorded_context(position(), context_);
  CommandList& list = *decode_list_;
  list.reset();
  const Step step{.list = list,
                  .model = model_,
                  .grouping = *grouping_,
                  .cache = *cache_,
                  .activations = *activations_,
                  .tokens = BufferView(*step_tokens_),
                  .positions = BufferView(*step_positions_),
                  .token_count = 1,
                  .longest_context = longest,
                  .logits = LogitRows::kLast,
                  .watch = recorder_ ? &recorder_->watch() : nullptr};
  record_step(step);
  record_sample(list);
  recorded_context_ = longest;
}

DecodedToken Session::decode() {
  if (position() >= context_) {
    throw_error(ErrorCode::kUsage, "the context of {} positions is full; use a larger -c", context_);
  }
  if (misplaced_) place_pending();
  if (recorded_context_ <= position()) record_decode();
  misplaced_ = true;  // until the step is complete
  decode_list_->run();
  if (recorder_) recorder_->report(position(), 1);
  const DecodedToken token = read_chosen(model_, *chosen_, tokens_.size() + 1);
  tokens_.push_back(pending_);
  return take(token);
}

void Session::all_logits(std::span<const std::uint32_t> tokens, const LogitConsumer& rows, const CancelFlag* cancel,
                         const Progress& progress) {
  check_prompt(model_, tokens, context_, tokens_.size());
  const std::uint32_t vocabulary = model_.config().vocabulary;
  const std::uint32_t stride = activations_->logits.stride;
  const std::size_t most = most_logit_rows();
  for (std::size_t at = 0; at < tokens.size();) {
    const std::size_t count = std::min(most, tokens.size() - at);
    run_chunk(tokens.subspan(at, count), LogitRows::kAll, cancel);
    const auto padded = download_values<float>(model_.device(), activations_->logits.buffer, count * stride);
    std::vector<float> dense(count * vocabulary);
    for (std::size_t t = 0; t < count; ++t) {
      check_logits(model_, std::span(padded).subspan(t * stride, vocabulary), tokens_.size() - count + t);
      std::copy_n(padded.begin() + static_cast<std::ptrdiff_t>(t * stride), vocabulary,
                  dense.begin() + static_cast<std::ptrdiff_t>(t * vocabulary));
    }
    rows(at, dense);
    at += count;
    if (progress) progress("logits", static_cast<double>(at) / static_cast<double>(tokens.size()));
  }
}

Activations Session::device_logits(std::span<const std::uint32_t> tokens, const CancelFlag* cancel) {
  check_prompt(model_, tokens, context_, tokens_.size());
  REGROUP_CHECK(tokens.size() <= most_logit_rows());
  run_chunk(tokens, LogitRows::kAll, cancel);
  return activations_->logits;
}

std::vector<float> Session::last_logits() const {
  return download_values<float>(model_.device(), activations_->logits.buffer, model_.config().vocabulary);
}

void Session::regroup(const Grouping& grouping, RegroupMode mode, const CancelFlag* cancel, const Progress& progress) {
  const auto fresh = [&] {
    return std::make_unique<KvCache>(model_.device(), model_.config(), grouping.plan().groups(), options_.cache_type,
                                     context_);
  };
  std::unique_ptr<KvCache> cache = fresh();
  const std::vector<std::uint32_t> history = tokens_;
  const bool can_pool = !grouping_->has_merged_layers() && !grouping.has_merged_layers();
  if (mode == RegroupMode::kPoolCache && can_pool && !history.empty()) {
    pool_cache(*grouping_, grouping, *cache_, *cache, static_cast<std::uint32_t>(history.size()));
    cache_ = std::move(cache);
    grouping_ = &grouping;
  } else {
    const Grouping* old_grouping = std::exchange(grouping_, &grouping);
    std::swap(cache_, cache);
    tokens_.clear();
    try {
      if (!history.empty()) prefill_all(history, cancel, progress);
    } catch (...) {
      grouping_ = old_grouping;
      std::swap(cache_, cache);
      tokens_ = history;
      recorded_context_ = 0;
      throw;
    }
  }
  misplaced_ = true;  // placed by the next decode(): nothing may fail once the grouping was changed
  recorded_context_ = 0;
}

void Session::rewind(std::uint32_t count) {
  REGROUP_CHECK(count <= tokens_.size());
  tokens_.resize(count);
}

void Session::assume_context(std::uint32_t position) {
  REGROUP_CHECK(position < context_);
  if (!std::exchange(constant_cache_, true)) fill_cache(model_.device(), *cache_);
  tokens_.assign(position, 0);
  pending_ = 0;
  place_pending();
  record_decode();
}

void Session::observe(StepObserver observer) {
  recorder_ =
      observer.on_step ? std::make_unique<StepRecorder>(model_, options_.prefill_chunk, std::move(observer)) : nullptr;
  recorded_context_ = 0;
}

void Session::set_sampling(const SamplingSettings& settings) {
  options_.sampling = settings;
  recorded_context_ = 0;
}

}  // namespace regroup
