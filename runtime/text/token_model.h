// The last stage of a tokenizer: one piece of normalised text to token ids. One implementation per algorithm.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/text/token_table.h"
#include "runtime/text/tokenizer_spec.h"

namespace regroup {

class TokenModel {
 public:
  virtual ~TokenModel() = default;

  // Appends the ids of `piece` (valid UTF-8). Thread-safe.
  virtual void encode(std::string_view piece, std::vector<std::uint32_t>& ids) const = 0;
};

// `spec` (already checked) and `table` must outlive the model. Throws Error kBadModel when the vocabulary does not fit
// the algorithm.
std::unique_ptr<TokenModel> make_token_model(const TokenizerSpec& spec, const TokenTable& table);

// The ids that spell single bytes ("<0x41>"), where the vocabulary has them.
using ByteTokens = std::array<std::optional<std::uint32_t>, 256>;
ByteTokens find_byte_tokens(const TokenizerSpec& spec);

// Appends the byte tokens of `text` and returns true, or returns false when one of them is missing.
bool append_bytes(const ByteTokens& byte_tokens, std::string_view text, std::vector<std::uint32_t>& ids);

}  // namespace regroup
