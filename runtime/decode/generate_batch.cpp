#include "runtime/decode/generate_batch.h"

#include <optional>

#include "runtime/core/error.h"
#include "runtime/decode/measure.h"
#include "runtime/text/stream_decoder.h"

namespace regroup {
namespace {

// Takes the chosen token into the result; what ends the sequence, if anything does.
std::optional<StopReason> take(GenerateResult& result, std::optional<StreamDecoder>& decoder,
                               const Tokenizer* tokenizer, std::uint32_t token, std::uint32_t max_tokens) {
  result.tokens.push_back(token);
  if (tokenizer != nullptr && token < tokenizer->vocabulary_size()) {
    if (tokenizer->is_end_of_generation(token)) return StopReason::kEndOfText;
    result.text += decoder->feed(token);
    if (decoder->stopped()) return StopReason::kStopText;
  }
  if (result.tokens.size() >= max_tokens) return StopReason::kLength;
  return std::nullopt;
}

}  // namespace

std::vector<GenerateResult> generate_batch(Batch& batch, const Tokenizer* tokenizer,
                                           std::span<const BatchRequest> requests, const GenerateOptions& options,
                                           const RecoverBatch& recover) {
  REGROUP_CHECK(requests.size() <= batch.size());
  Batch* current = &batch;
  RecoveredOnce recovered;
  std::vector<bool> running(requests.size(), true);
  std::vector<GenerateResult> results(requests.size());
  std::vector<std::optional<StreamDecoder>> decoders(requests.size());
  const auto finish = [&](std::uint32_t s, StopReason reason) {
    results[s].stop = reason;
    if (decoders[s]) results[s].text += decoders[s]->finish();
    running[s] = false;
    current->stop(s);
  };
  const auto count = static_cast<std::uint32_t>(requests.size());
  // Everything that the sequence is so far, to a batch that does not know it yet.
  const auto start = [&](std::uint32_t s, const Progress& progress) {
    std::vector<std::uint32_t> tokens = requests[s].prompt;
    tokens.insert(tokens.end(), results[s].tokens.begin(), results[s].tokens.end());
    current->start(s, tokens, requests[s].sampling, options.cancel, progress);
  };
  const auto or_recover = [&](const std::function<void()>& work) {
    bool again = false;
    while (true) {
      try {
        for (std::uint32_t s = 0; again && s < count; ++s) {
          if (running[s]) start(s, {});
        }
        return work();
      } catch (const Error& failure) {
        if (!recover || !recovered.allows(failure)) throw;
        current = nullptr;  // gone, even where recover() throws
        current = recover(failure);
        if (current == nullptr) throw;
      }
      again = true;
    }
  };
  try {
    for (std::uint32_t s = 0; s < count; ++s) {
      results[s].stop = StopReason::kInterrupted;
      if (tokenizer != nullptr) {
        decoders[s].emplace(*tokenizer, StreamOptions{.stops = options.stops, .starts_text = options.starts_text});
      }
    }
    for (std::uint32_t s = 0; s < count; ++s) {
      const Timing prefill = time_of([&] { or_recover([&] { start(s, options.on_prefill); }); });
      results[s].prefill_ms = 1e3 * prefill.seconds;
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInterrupted || current == nullptr) throw;
    for (std::uint32_t s = 0; s < count; ++s) current->stop(s);
    return results;
  }
  while (current->active_count() > 0) {
    std::vector<std::optional<DecodedToken>> chosen;
    Timing step;
    try {
      step = time_of([&] { or_recover([&] { chosen = current->decode(); }); });
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInterrupted || current == nullptr) throw;
      for (std::uint32_t s = 0; s < count; ++s) {
        if (running[s]) finish(s, StopReason::kInterrupted);
      }
      break;
    }
    const bool interrupted = cancelled(options.cancel);
    for (std::uint32_t s = 0; s < count; ++s) {
      if (!chosen[s]) continue;
      results[s].decode_ms.push_back(1e3 * step.seconds);
      std::optional<StopReason> reason = take(results[s], decoders[s], tokenizer, chosen[s]->id, options.max_tokens);
      if (!reason && interrupted) reason = StopReason::kInterrupted;
      if (!reason && current->is_full(s)) reason = StopReason::kContextFull;
      if (reason) finish(s, *reason);
    }
  }
  return results;
}

}  // namespace regroup
