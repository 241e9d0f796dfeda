#include "runtime/decode/generate.h"

#include <chrono>
#include <optional>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/text/stream_decoder.h"

namespace regroup {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// A session that is replaced when it fails, see GenerateOptions::recover.
class Decoder {
 public:
  Decoder(Session& session, std::span<const std::uint32_t> prompt, const GenerateOptions& options)
      : session_(&session), options_(options), tokens_(session.tokens()) {
    tokens_.insert(tokens_.end(), prompt.begin(), prompt.end());
  }

  DecodedToken prefill() {
    const std::size_t fed = session_->position();
    return or_recover(
        [&] { return session_->prefill(std::span(tokens_).subspan(fed), options_.cancel, options_.on_prefill); });
  }
  // Feeds `token`, which was chosen last.
  DecodedToken decode(std::uint32_t token) {
    tokens_.push_back(token);
    return or_recover([&] { return session_->decode(); });
  }
  bool full() const { return session_->position() == session_->context(); }
  // False after a recovery that did not succeed.
  bool has_session() const { return session_ != nullptr; }

 private:
  DecodedToken or_recover(std::function<DecodedToken()> work) {
    while (true) {
      try {
        return work();
      } catch (const Error& failure) {
        if (!options_.recover || !recovered_.allows(failure)) throw;
        session_ = nullptr;  // gone, even where recover() throws
        session_ = options_.recover(failure);
        if (session_ == nullptr) throw;
      }
      work = [this] { return session_->prefill(tokens_, options_.cancel); };
    }
  }

  Session* session_;
  const GenerateOptions& options_;
  std::vector<std::uint32_t> tokens_;  // all that the session has been fed or is being fed
  RecoveredOnce recovered_;
};

}  // namespace

bool RecoveredOnce::allows(const Error& failure) {
  const bool lost = failure.code() == ErrorCode::kDeviceLost;
  if (!lost && failure.code() != ErrorCode::kNotANumber) return false;
  return !std::exchange(lost ? lost_ : not_a_number_, true);
}

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
  Decoder steps(session, prompt, options);
  try {
    token = steps.prefill();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInterrupted || !steps.has_session()) throw;
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
    if (steps.full()) {
      result.stop = StopReason::kContextFull;
      break;
    }
    const auto start = Clock::now();
    try {
      token = steps.decode(token.id);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInterrupted || !steps.has_session()) throw;
      result.stop = StopReason::kInterrupted;
      break;
    }
    result.decode_ms.push_back(ms_since(start));
  }
  if (decoder) say(decoder->finish());
  return result;
}

}  // namespace regroup
