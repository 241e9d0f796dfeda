// Several prompts in, several texts out, decoded together until something says stop for each.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "runtime/decode/batch.h"
#include "runtime/decode/generate.h"

namespace regroup {

// One sequence of a batch.
struct BatchRequest {
  std::vector<std::uint32_t> prompt;
  SamplingSettings sampling;
};

// Results in the order of the requests, of which there are at most batch.size(). Stops and lengths are those of
// `options`, whose on_text and on_token are not called. decode_ms holds a time for every step that the sequence took
// part in, the first one included: prefill_ms covers all tokens of the prompt but the last. An interruption keeps what
// was produced. Throws what Batch throws.
//
// `recover` is for batches what GenerateOptions::recover is for a session: a fresh batch of the same size, or null.
using RecoverBatch = std::function<Batch*(const Error& failure)>;
std::vector<GenerateResult> generate_batch(Batch& batch, const Tokenizer* tokenizer,
                                           std::span<const BatchRequest> requests, const GenerateOptions& options,
                                           const RecoverBatch& recover = {});

}  // namespace regroup
