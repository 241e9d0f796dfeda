// Choosing the next token on the device: greedy or sampled, so that a step needs no read-back of logits.
#pragma once

#include "runtime/ops/linear.h"

namespace regroup {

struct SamplingSettings {
  float temperature = 0.0f;        // 0 or less: greedy (the lowest id among equal logits)
  std::uint32_t top_k = 0;         // 0: off
  float top_p = 1.0f;              // 1 or more: off
  float min_p = 0.0f;              // 0 or less: off
  float repeat_penalty = 1.0f;     // logits of recent tokens: divided when positive, multiplied when negative; 1: off
  std::uint32_t repeat_last = 64;  // how many recent tokens (prompt and generated) are penalised, each once
  std::uint64_t seed = 0;
};

// Device-resident decode state (u32 words), shared by embedding, attention and the sampler:
//   tokens[0]     the token to feed next          positions[0]  its position
//   history[position] every token of the sequence so far (for the penalty and for reading generated tokens back)
// One record, in llama.cpp's default order: penalise the tokens history[.. positions[0]], keep top-k, then top-p of
// those, then min-p of those (all at temperature 1), divide by the temperature, draw with a counter-based generator
// keyed by seed and positions[0]; then tokens[0] = chosen, positions[0] += 1, history[positions[0]] = chosen (unless
// that is past its end). The settings are part of the record, everything that changes from token to token comes from
// the buffers. The filters are exact, among equal logits the lower id comes first, and the arithmetic is the same on
// every device: equal logits and seed give equal tokens.
struct Sample {
  Activations logits;  // [vocabulary] f32; may be changed by the penalty
  std::uint32_t vocabulary = 0;
  BufferView tokens;
  BufferView positions;
  BufferView history;  // [capacity + 1] u32
  BufferView chosen;   // [4] u32: token, its probability as float bits (greedy: among all tokens; else among the
                       // candidates at this temperature), largest logit as float bits, 1 if a NaN or infinity was seen
  BufferView scratch;  // sampling_scratch_bytes()
  SamplingSettings settings;
};

// Above any vocabulary that is in use (256 Ki). check_config refuses models with a larger one.
inline constexpr std::uint32_t kLargestSampledVocabulary = 1u << 19;

std::uint64_t sampling_scratch_bytes(const Device& device, std::uint32_t vocabulary);
void record(CommandList& list, const KernelProfile& profile, const Sample& op);

// Logits soft-cap of a whole row (Gemma 2): y = cap * tanh(y / cap), in place.
struct SoftCap {
  Activations logits;  // [tokens, columns]
  std::uint32_t columns = 0;
  std::uint32_t tokens = 1;
  float cap = 0;
};
void record(CommandList& list, const KernelProfile& profile, const SoftCap& op);

// The host's version of Sample, for tests and for callers with their own logits: returns the chosen id, the very one
// that a device chooses from these logits. recent: the sequence so far (its last repeat_last tokens are looked at);
// position: that of the last token of it.
std::uint32_t sample_on_host(std::span<const float> logits, std::span<const std::uint32_t> recent,
                             std::uint64_t position, const SamplingSettings& settings);

// The ids among which sample_on_host draws, ascending; greedy: the one that it takes.
std::vector<std::uint32_t> sampling_candidates(std::span<const float> logits, std::span<const std::uint32_t> recent,
                                               const SamplingSettings& settings);

}  // namespace regroup
