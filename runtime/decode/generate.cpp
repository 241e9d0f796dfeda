#include "runtime/decode/generate.h"

#include <chrono>
#include <optional>

#include "runtime/core/error.h"
#include "runtime/text/stream_decoder.h"

namespace regroup {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

std::string_view stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kLength:
      return "length";
    case StopReason::kEndOfText:
      return "end_of_text";
    case StopReason::kStopText:
      return "stop_text";
    case StopReason::kContextFull:
      return "context_full";
    case StopReason::kInterrupted:
      return "interrupted";
  }
  return "length";
}

GenerateResult generate(Session& session, const Tokenizer* tokenizer, std::span<const std::uint32_t> prompt,
                        const GenerateOptions& options) {
  GenerateResult result;
  std::optional<StreamDecoder> decoder;
  if (tokenizer != nullptr) {
    decoder.emplace(*tokenizer, StreamOptions{.stops = options.stops, .starts_text = options.starts_text});
  }
  const auto say = [&](const std::string& text) {
    result.text += text;
    if (options.on_text && !text.empty()) options.on_text(text);
  };

  const auto prefill_start = Clock::now();
  DecodedToken token{};
  try {
    token = session.prefill(prompt, options.cancel, options.on_prefill);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInterrupted) throw;
    result.prefill_ms = ms_since(prefill_start);
    result.stop = StopReason::kInterrupted;
    return result;
  }
  result.prefill_ms = ms_since(prefill_start);

  while (result.tokens.size() < options.max_tokens) {
    result.tokens.push_back(token.id);
    if (options.on_token) options.on_token(token);
    if (tokenizer != nullptr && token.id < tokenizer->vocabulary_size()) {
      if (tokenizer->is_end_of_generation(token.id)) {
        result.stop = StopReason::kEndOfText;
        break;
      }
      say(decoder->feed(token.id));
      if (decoder->stopped()) {
        result.stop = StopReason::kStopText;
        break;
      }
    }
    if (result.tokens.size() == options.max_tokens) break;
    if (cancelled(options.cancel)) {
      result.stop = StopReason::kInterrupted;
      break;
    }
    if (session.position() == session.context()) {
      result.stop = StopReason::kContextFull;
      break;
    }
    const auto start = Clock::now();
    token = session.decode();
    result.decode_ms.push_back(ms_since(start));
  }
  if (decoder) say(decoder->finish());
  return result;
}

}  // namespace regroup
