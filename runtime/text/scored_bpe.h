// SentencePiece's byte-pair encoding: any two neighbours whose text is a token may join, the best score first; what is
// no token in the end is spelled in bytes.
#pragma once

#include <vector>

#include "runtime/text/token_model.h"

namespace regroup {

class ScoredBpe : public TokenModel {
 public:
  ScoredBpe(const TokenizerSpec& spec, const TokenTable& table);

  void encode(std::string_view piece, std::vector<std::uint32_t>& ids) const override;

 private:
  const TokenizerSpec* spec_;
  const TokenTable* table_;
  ByteTokens byte_tokens_;
};

}  // namespace regroup
