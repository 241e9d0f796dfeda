#include "runtime/text/token_model.h"

#include "runtime/core/error.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/ranked_bpe.h"
#include "runtime/text/scored_bpe.h"
#include "runtime/text/unigram.h"

namespace regroup {

std::unique_ptr<TokenModel> make_token_model(const TokenizerSpec& spec, const TokenTable& table) {
  switch (spec.model) {
    case TokenizerSpec::Model::kByteLevelBpe:
    case TokenizerSpec::Model::kCharacterBpe:
      return std::make_unique<RankedBpe>(spec, table);
    case TokenizerSpec::Model::kSentencePiece:
      return std::make_unique<ScoredBpe>(spec, table);
    case TokenizerSpec::Model::kUnigram:
      return std::make_unique<Unigram>(spec);
  }
  throw_error(ErrorCode::kBadModel, "tokenizer: unknown kind of model");
}

ByteTokens find_byte_tokens(const TokenizerSpec& spec) {
  ByteTokens found;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    const auto byte = parse_byte_token(spec.tokens[id]);
    if (!byte) continue;
    // "<0x0a>" and "<0x0A>" may both be there; SentencePiece writes capitals, so that one is the byte token.
    auto& slot = found[*byte];
    if (!slot || spec.types[id] == TokenType::kByte) slot = static_cast<std::uint32_t>(id);
  }
  return found;
}

bool append_bytes(const ByteTokens& byte_tokens, std::string_view text, std::vector<std::uint32_t>& ids) {
  for (const char c : text) {
    if (!byte_tokens[static_cast<unsigned char>(c)]) return false;
  }
  for (const char c : text) ids.push_back(*byte_tokens[static_cast<unsigned char>(c)]);
  return true;
}

}  // namespace regroup
