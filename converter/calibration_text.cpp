#include "converter/calibration_text.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/decode/sample_sequences.h"

namespace regroup {
namespace {

// Every so many sequences one moves to the end, where those stand that only judge: so that both kinds come from all
// over the text.
std::vector<std::uint32_t> judging_last(std::uint32_t sequences, std::uint32_t held_out) {
  std::vector<std::uint32_t> order, judging;
  for (std::uint32_t i = 0; i < sequences; ++i) {
    const bool judges = (std::uint64_t{i} + 1) * held_out / sequences > std::uint64_t{i} * held_out / sequences;
    (judges ? judging : order).push_back(i);
  }
  order.insert(order.end(), judging.begin(), judging.end());
  return order;
}

}  // namespace

CalibrationText CalibrationSize::shape(std::uint32_t context_length) const {
  CalibrationText text;
  text.sequence_length = std::min(sequence_length, context_length);
  text.sequences = tokens / std::max(text.sequence_length, 1u);
  if (text.sequences < 2) {
    throw_error(ErrorCode::kUsage, "--calibration-tokens {}: at least {} are needed, two sequences of {}", tokens,
                2 * text.sequence_length, text.sequence_length);
  }
  const auto share = static_cast<std::uint32_t>(std::lround(text.sequences * held_out_share));
  text.held_out = std::clamp(share, 1u, text.sequences - 1);
  return text;
}

CalibrationText calibration_from_text(const Tokenizer& tokenizer, const ModelConfig& config, std::string_view text,
                                      const CalibrationSize& size) {
  CalibrationText out = size.shape(config.context_length);
  const std::vector<std::uint32_t> ids = tokenizer.encode(text, {.add_special = false, .parse_special = false});
  const bool begins_with_bos = tokenizer.adds_bos() && tokenizer.bos();
  const std::uint32_t taken = out.sequence_length - (begins_with_bos ? 1 : 0);
  const std::size_t available = taken == 0 ? 0 : ids.size() / taken;
  if (available < 2) {
    throw_error(ErrorCode::kUsage, "the calibration text has {} tokens; at least {} are needed, two sequences of {}",
                ids.size(), 2 * taken, taken);
  }
  if (available < out.sequences) {
    CalibrationSize smaller = size;
    smaller.tokens = static_cast<std::uint32_t>(available) * out.sequence_length;
    out = smaller.shape(config.context_length);
  }
  for (const std::uint32_t i : judging_last(out.sequences, out.held_out)) {
    const std::size_t chunk = i * available / out.sequences;
    if (begins_with_bos) out.tokens.push_back(*tokenizer.bos());
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(chunk * taken);
    out.tokens.insert(out.tokens.end(), first, first + taken);
  }
  return out;
}

CalibrationText calibration_sampled(const Model& model, std::uint32_t first_token, const CalibrationSize& size,
                                    std::uint64_t seed, const Progress& progress, const CancelFlag* cancel) {
  CalibrationText out = size.shape(model.config().context_length);
  const Grouping grouping(model, GroupPlan::identity(model.config()));
  const auto sampled = sample_sequences(
      model, grouping,
      {.count = out.sequences, .length = out.sequence_length, .first_token = first_token, .seed = seed}, cancel,
      progress);
  for (const auto& sequence : sampled) out.tokens.insert(out.tokens.end(), sequence.begin(), sequence.end());
  return out;
}

}  // namespace regroup
