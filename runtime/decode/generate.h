// Prompt in, text out: prefill, then token by token until something says stop.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/error.h"
#include "runtime/core/progress.h"
#include "runtime/decode/session.h"
#include "runtime/text/tokenizer.h"

namespace regroup {

enum class StopReason { kLength, kEndOfText, kStopText, kContextFull, kInterrupted };
std::string_view stop_reason_name(
    StopReason reason);  // "length", "end_of_text", "stop_text", "context_full", "interrupted"

struct GenerateOptions {
  std::uint32_t max_tokens = 128;
  std::vector<std::string> stops;
  bool starts_text = false;                       // nothing stands in front of the generated text (see StreamDecoder)
  std::function<void(std::string_view)> on_text;  // printable text as it becomes certain
  std::function<void(const DecodedToken&)> on_token;
  Progress on_prefill;
  const CancelFlag* cancel = nullptr;
  // What to go on with after a failure that need not be the end: the device was lost (kDeviceLost), or a logit is no
  // number (kNotANumber). Gives a session to which nothing has been fed yet, and which is fed all tokens so far; null:
  // there is none. Each kind of failure is recovered from once; the second of its kind is thrown.
  std::function<Session*(const Error& failure)> recover;
};

// Which failures have been recovered from.
class RecoveredOnce {
 public:
  // Whether this one may be, from now on not again.
  bool allows(const Error& failure);

 private:
  bool lost_ = false;
  bool not_a_number_ = false;
};

struct GenerateResult {
  std::vector<std::uint32_t> tokens;  // generated; a final end-of-generation token is included
  std::string text;
  StopReason stop = StopReason::kLength;
  double prefill_ms = 0;
  std::vector<double> decode_ms;  // one per token after the first, which the prefill yields
};

// `tokenizer` may be null: then there is no text and nothing but length, context and interruption ends the run. An
// interruption keeps what was produced; one during prefill yields no tokens. Throws what Session throws. After a
// recovery the session given here may be gone.
GenerateResult generate(Session& session, const Tokenizer* tokenizer, std::span<const std::uint32_t> prompt,
                        const GenerateOptions& options);

}  // namespace regroup
