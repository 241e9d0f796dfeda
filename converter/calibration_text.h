// The tokens that merges are fitted to and judged on: from a text file, or sampled from the model itself.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/file/model_file.h"
#include "runtime/model/model.h"
#include "runtime/text/tokenizer.h"

namespace regroup {

// Sequences of equal length, one behind the other, each read from position 0.
struct CalibrationText {
  std::vector<std::uint32_t> tokens;  // sequences * sequence_length
  std::uint32_t sequences = 0;
  std::uint32_t sequence_length = 0;
  std::uint32_t held_out = 0;  // the last so many sequences only judge, nothing is fitted to them
};

// How much text, and how it is cut.
struct CalibrationSize {
  std::uint32_t tokens = 0;             // 0: as many as default_tokens gives
  std::uint32_t sequence_length = 256;  // shortened to the model's context
  bool fits_weights = false;            // for methods that fit weights to the text, not only closed forms
  double held_out_share = 0.125;        // at least one sequence
  // What one buffer of a device holds, see most_calibration_tokens(); more is cut to it.
  std::uint32_t most_tokens = std::numeric_limits<std::uint32_t>::max();

  // Whole sequences that `tokens` make, at least two. Throws kUsage when there would be fewer.
  CalibrationText shape(const ModelConfig& config) const;
  // Fitting over-fits on few tokens, and narrow models cost little per token: they get more then. Rows of wide ones
  // fill the buffers that every device has.
  std::uint32_t default_tokens(const ModelConfig& config) const;
};

// As many as one buffer of `device` holds the activations of: layers are fitted to whole streams of them.
std::uint32_t most_calibration_tokens(const Device& device, const ModelConfig& config);
// In words, where that is less than was asked for.
std::optional<std::string> cut_remark(const CalibrationSize& size);

// Sequences of `text` spread evenly over it, each with BOS in front where the model asks for it. Throws kUsage when the
// text has too few tokens for two sequences; takes fewer sequences than asked for where it has too few for all.
CalibrationText calibration_from_text(const Tokenizer& tokenizer, const ModelConfig& config, std::string_view text,
                                      const CalibrationSize& size);

// What a model's own texts begin with: BOS where the tokenizer puts it there, else the token that ends a document (or
// BOS); without a tokenizer (null) what a Hugging Face directory names, else token 0.
std::uint32_t first_token(const ModelFile& file, const Tokenizer* tokenizer);

// Text that the model writes itself at temperature 1 without filters, from `first_token`. The same seed gives the same
// tokens on the same device.
CalibrationText calibration_sampled(const Model& model, std::uint32_t first_token, const CalibrationSize& size,
                                    std::uint64_t seed, const Progress& progress = {},
                                    const CancelFlag* cancel = nullptr);

}  // namespace regroup
