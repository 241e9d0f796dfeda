// SentencePiece's unigram model: the split of a text whose tokens' log probabilities have the greatest sum (Viterbi).
#pragma once

#include <vector>

#include "runtime/text/prefix_tree.h"
#include "runtime/text/token_model.h"

namespace regroup {

class Unigram : public TokenModel {
 public:
  explicit Unigram(const TokenizerSpec& spec);

  void encode(std::string_view piece, std::vector<std::uint32_t>& ids) const override;

 private:
  const TokenizerSpec* spec_;
  PrefixTree tree_;
  ByteTokens byte_tokens_;
  std::uint32_t unk_;
  double unknown_score_;  // of one character that no token covers
};

}  // namespace regroup
