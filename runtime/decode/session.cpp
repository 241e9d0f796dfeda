#include "runtime/decode/session.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/pool_cache.h"
#include "runtime/model/step.h"

namespace regroup {
namespace {

// Decoding is recorded for contexts up to the next of these steps, so that splits fit the length and re-recording is
// rare.
constexpr std::uint32_t kShortestRecording = 256;

// Rows of logits held at once when all are wanted: a vocabulary of 262144 then takes 16 MiB.
constexpr std::uint32_t kLogitRows = 16;

std::uint32_t usable_context(const Model& model, std::uint32_t asked) {
  return asked != 0 ? asked : std::min(model.config().context_length, kDefaultContext);
}

}  // namespace

Session::Session(const Model& model, const Grouping& grouping, const SessionOptions& options)
    : model_(model),
      grouping_(&grouping),
      options_(options),
      context_(usable_context(model, options.context)),
      cache_(std::make_unique<KvCache>(model.device(), model.config(), grouping.plan().groups(), options.cache_type,
                                       context_)),
      activations_(std::make_unique<StepActivations>(model, std::max(options.prefill_chunk, 1u), kLogitRows, context_)),
      state_(model.device(), MemoryUse::kDevice, "decode state"),
      readback_(model.device(), MemoryUse::kReadback, "chosen token") {
  options_.prefill_chunk = std::max(options.prefill_chunk, 1u);
  step_tokens_ = &state_.buffer(options_.prefill_chunk * 4ull, "tokens");
  step_positions_ = &state_.buffer(options_.prefill_chunk * 4ull, "positions");
  history_ = &state_.buffer((context_ + 1ull) * 4, "history");
  sampling_scratch_ =
      &state_.buffer(sampling_scratch_bytes(model.device(), model.config().vocabulary), "sampling scratch");
  chosen_ = &readback_.buffer(16, "chosen");
  chunk_list_ = std::make_unique<CommandList>(model.device());
  decode_list_ = std::make_unique<CommandList>(model.device(), options.timestamps);
  tokens_.reserve(context_);
}

void Session::check_tokens(std::span<const std::uint32_t> tokens) const {
  if (tokens.empty()) throw_error(ErrorCode::kUsage, "nothing to decode: the prompt has no tokens");
  if (tokens.size() > context_ - tokens_.size()) {
    throw_error(ErrorCode::kUsage,
                "the prompt has {} tokens, the context holds {}{}; use a larger -c or a shorter prompt", tokens.size(),
                context_, tokens_.empty() ? std::string() : fmt::format(" of which {} are taken", tokens_.size()));
  }
  for (const std::uint32_t id : tokens) {
    if (id >= model_.config().vocabulary) {
      throw_error(ErrorCode::kUsage, "token id {} is outside the vocabulary of {}", id, model_.config().vocabulary);
    }
  }
}

void Session::run_chunk(std::span<const std::uint32_t> chunk, LogitRows logits, const CancelFlag* cancel) {
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
                  .logits = logits};
  record_step(step);
  list.run(cancel);
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

DecodedToken Session::take_chosen() {
  const auto words = download_values<std::uint32_t>(model_.device(), *chosen_, 4);
  if (words[3] != 0) {
    throw_error(
        ErrorCode::kFailed,
        "the model produced a logit that is not a number at position {} on {}; try --kv f32, or `regroup selftest`",
        tokens_.size(), model_.device().info().name);
  }
  pending_ = words[0];
  return {words[0], std::bit_cast<float>(words[1])};
}

DecodedToken Session::prefill(std::span<const std::uint32_t> tokens, const CancelFlag* cancel,
                              const Progress& progress) {
  check_tokens(tokens);
  prefill_all(tokens, cancel, progress);
  // The sampler moves the position on by one from the last fed token's.
  set_position(static_cast<std::uint32_t>(tokens_.size()) - 1);
  CommandList& list = *chunk_list_;
  list.reset();
  record_sample(list);
  list.run();
  return take_chosen();
}

void Session::record_decode() {
  recorded_context_ = std::min(std::max(kShortestRecording, std::bit_ceil(position() + 1)), std::max(context_, 1u));
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
                  .longest_context = recorded_context_,
                  .logits = LogitRows::kLast};
  record_step(step);
  record_sample(list);
}

DecodedToken Session::decode() {
  if (position() >= context_) {
    throw_error(ErrorCode::kUsage, "the context of {} positions is full; use a larger -c", context_);
  }
  if (recorded_context_ <= position()) record_decode();
  decode_list_->run();
  tokens_.push_back(pending_);
  return take_chosen();
}

void Session::all_logits(std::span<const std::uint32_t> tokens, const LogitConsumer& rows, const CancelFlag* cancel,
                         const Progress& progress) {
  check_tokens(tokens);
  const std::uint32_t vocabulary = model_.config().vocabulary;
  const std::uint32_t stride = activations_->logits.stride;
  const std::size_t most = std::min<std::size_t>(kLogitRows, options_.prefill_chunk);
  for (std::size_t at = 0; at < tokens.size();) {
    const std::size_t count = std::min(most, tokens.size() - at);
    run_chunk(tokens.subspan(at, count), LogitRows::kAll, cancel);
    const auto padded = download_values<float>(model_.device(), activations_->logits.buffer, count * stride);
    std::vector<float> dense(count * vocabulary);
    for (std::size_t t = 0; t < count; ++t) {
      std::copy_n(padded.begin() + static_cast<std::ptrdiff_t>(t * stride), vocabulary,
                  dense.begin() + static_cast<std::ptrdiff_t>(t * vocabulary));
    }
    rows(at, dense);
    at += count;
    if (progress) progress("logits", static_cast<double>(at) / static_cast<double>(tokens.size()));
  }
}

std::vector<float> Session::last_logits() const {
  return download_values<float>(model_.device(), activations_->logits.buffer, model_.config().vocabulary);
}

void Session::regroup(const Grouping& grouping, RegroupMode mode, const CancelFlag* cancel) {
  const auto fresh = [&] {
    return std::make_unique<KvCache>(model_.device(), model_.config(), grouping.plan().groups(), options_.cache_type,
                                     context_);
  };
  std::unique_ptr<KvCache> cache = fresh();
  const std::vector<std::uint32_t> history = tokens_;
  if (mode == RegroupMode::kPoolCache && !history.empty()) {
    pool_cache(*grouping_, grouping, *cache_, *cache, static_cast<std::uint32_t>(history.size()));
    cache_ = std::move(cache);
    grouping_ = &grouping;
  } else {
    const Grouping* old_grouping = std::exchange(grouping_, &grouping);
    std::swap(cache_, cache);
    tokens_.clear();
    try {
      if (!history.empty()) prefill_all(history, cancel, {});
    } catch (...) {
      grouping_ = old_grouping;
      std::swap(cache_, cache);
      tokens_ = history;
      recorded_context_ = 0;
      throw;
    }
  }
  if (!history.empty()) {
    const std::uint32_t next[] = {pending_};
    upload_values<std::uint32_t>(model_.device(), *step_tokens_, next);
    set_position(position());
  }
  recorded_context_ = 0;
}

void Session::rewind(std::uint32_t count) {
  REGROUP_CHECK(count <= tokens_.size());
  tokens_.resize(count);
}

void Session::set_sampling(const SamplingSettings& settings) {
  options_.sampling = settings;
  recorded_context_ = 0;
}

}  // namespace regroup
