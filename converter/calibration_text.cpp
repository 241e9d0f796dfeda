#include "converter/calibration_text.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/decode/sample_sequences.h"
#include "runtime/model/kv_cache.h"

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

// Sequences that are sampled together: each reading of the weights serves all of them, their caches stay small.
std::uint32_t sequences_at_once(const ModelConfig& config, const CalibrationText& shape) {
  constexpr std::uint64_t kCacheBytes = std::uint64_t{128} << 20;
  constexpr std::uint64_t kMost = 64;
  std::vector<std::uint32_t> groups;
  for (const LayerConfig& layer : config.layers) groups.push_back(layer.kv_heads);
  const std::uint64_t bytes = kv_bytes_per_token(config, groups, CacheType::kF16) * shape.sequence_length;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(kCacheBytes / std::max<std::uint64_t>(bytes, 1), 1, kMost));
}

}  // namespace

std::uint32_t CalibrationSize::default_tokens(const ModelConfig& config) const {
  // One attention layer of the bundled model (hidden 256), refined on 9k and 61k tokens: 0.163 and 0.133 of its
  // output's energy stay wrong on other text.
  constexpr std::uint64_t kMost = 65536, kUsual = 10240;
  constexpr std::uint64_t kWork = std::uint64_t{1} << 32;  // a token's cost grows with the square of the width
  constexpr std::uint64_t kFloatsOfABuffer = 1u << 25;     // 128 MiB, the range that every device binds
  const std::uint64_t width = std::max(config.hidden, 1u);
  const std::uint64_t wanted = fits_weights ? std::clamp(kWork / (width * width), kUsual, kMost) : kUsual;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(std::min(wanted, kFloatsOfABuffer / width), 512));
}

CalibrationText CalibrationSize::shape(const ModelConfig& config) const {
  CalibrationText text;
  const std::uint32_t wanted = std::min(tokens > 0 ? tokens : default_tokens(config), most_tokens);
  text.sequence_length = std::min(sequence_length, config.context_length);
  text.sequences = wanted / std::max(text.sequence_length, 1u);
  if (text.sequences < 2) {
    throw_error(ErrorCode::kUsage, "--calibration-tokens {}: at least {} are needed, two sequences of {}", wanted,
                2 * text.sequence_length, text.sequence_length);
  }
  const auto share = static_cast<std::uint32_t>(std::lround(text.sequences * held_out_share));
  text.held_out = std::clamp(share, 1u, text.sequences - 1);
  return text;
}

std::uint32_t most_calibration_tokens(const Device& device, const ModelConfig& config) {
  const std::uint64_t bytes =
      std::min(device.features().max_storage_buffer_range, device.features().max_allocation_bytes);
  // Rows of inputs are padded to blocks of 32, and longer by a chunk of four where there are biases.
  const std::uint64_t inputs = std::max((config.hidden + 31) / 32 * 32, config.hidden + 4);
  const std::uint64_t row = std::max<std::uint64_t>(inputs, config.query_columns());
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(bytes / (4 * row), std::numeric_limits<std::int32_t>::max()));
}

std::optional<std::string> cut_remark(const CalibrationSize& size) {
  if (size.tokens <= size.most_tokens) return std::nullopt;
  return fmt::format(
      "--calibration-tokens {}: layers are calibrated on {} of them, as many as one buffer of this device holds",
      size.tokens, size.most_tokens);
}

CalibrationText calibration_from_text(const Tokenizer& tokenizer, const ModelConfig& config, std::string_view text,
                                      const CalibrationSize& size) {
  CalibrationText out = size.shape(config);
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
    out = smaller.shape(config);
  }
  for (const std::uint32_t i : judging_last(out.sequences, out.held_out)) {
    const std::size_t chunk = i * available / out.sequences;
    if (begins_with_bos) out.tokens.push_back(*tokenizer.bos());
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(chunk * taken);
    out.tokens.insert(out.tokens.end(), first, first + taken);
  }
  return out;
}

std::uint32_t first_token(const ModelFile& file, const Tokenizer* tokenizer) {
  if (tokenizer != nullptr) {
    if (tokenizer->adds_bos() && tokenizer->bos()) return *tokenizer->bos();
    for (const char* name : {"<|endoftext|>", "<|end_of_text|>", "</s>"}) {
      if (const auto id = tokenizer->find(name)) return *id;
    }
    return tokenizer->bos().value_or(tokenizer->eos().value_or(0));
  }
  if (file.kind() == ModelFileKind::kHuggingFace) {
    const auto id = file.config().find("bos_token_id");
    if (id != file.config().end() && id->is_number_unsigned()) return id->get<std::uint32_t>();
  }
  return 0;
}

CalibrationText calibration_sampled(const Model& model, std::uint32_t first_token, const CalibrationSize& size,
                                    std::uint64_t seed, const Progress& progress, const CancelFlag* cancel) {
  CalibrationText out = size.shape(model.config());
  const Grouping grouping(model, GroupPlan::identity(model.config()));
  const auto sampled = sample_sequences(model, grouping,
                                        {.count = out.sequences,
                                         .length = out.sequence_length,
                                         .first_token = first_token,
                                         .seed = seed,
                                         .at_once = sequences_at_once(model.config(), out)},
                                        cancel, progress);
  for (const auto& sequence : sampled) out.tokens.insert(out.tokens.end(), sequence.begin(), sequence.end());
  return out;
}

}  // namespace regroup
