#include "runtime/text/scored_bpe.h"

#include "runtime/core/error.h"
#include "runtime/core/utf8.h"
#include "runtime/text/merge_queue.h"

namespace regroup {

ScoredBpe::ScoredBpe(const TokenizerSpec& spec, const TokenTable& table)
    : spec_(&spec), table_(&table), byte_tokens_(find_byte_tokens(spec)) {
  if (spec.scores.size() != spec.tokens.size()) {
    throw_error(ErrorCode::kBadModel,
                "tokenizer: {} tokens but {} scores; a SentencePiece vocabulary needs one for each", spec.tokens.size(),
                spec.scores.size());
  }
}

void ScoredBpe::encode(std::string_view piece, std::vector<std::uint32_t>& ids) const {
  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t size = utf8_step(piece, at).bytes;
    append_symbol(symbols, table_->find(piece.substr(at, size)).value_or(kNoSymbol), at, size);
    at += size;
  }
  join_neighbours(symbols, [&](const Symbol& left, const Symbol& right) -> std::optional<Joined> {
    const auto id = table_->find(piece.substr(left.begin, left.size + right.size));
    // What a text spells is never a control token, as in SentencePiece.
    if (!id || spec_->types[*id] == TokenType::kControl) return std::nullopt;
    return Joined{-spec_->scores[*id], *id};
  });
  bool after_unknown = false;
  for (const Symbol& symbol : symbols) {
    if (symbol.size == 0) continue;
    bool unknown = false;
    if (symbol.id != kNoSymbol) {
      ids.push_back(symbol.id);
    } else if (!append_bytes(byte_tokens_, piece.substr(symbol.begin, symbol.size), ids)) {
      unknown = spec_->unk.has_value();
      if (unknown && !after_unknown) ids.push_back(*spec_->unk);
    }
    after_unknown = unknown;
  }
}

}  // namespace regroup
