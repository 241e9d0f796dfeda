#include "runtime/text/ranked_bpe.h"

#include <bit>

#include "runtime/core/utf8.h"
#include "runtime/text/byte_alphabet.h"

namespace regroup {

RankedBpe::RankedBpe(const TokenizerSpec& spec, const TokenTable& table) : spec_(&spec), table_(&table) {
  slots_.resize(std::bit_ceil(spec.merges.size() * 2 + 2));
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const MergeRule& rule = spec.merges[rank];
    const std::uint64_t pair = (std::uint64_t{rule.left} << 32) | rule.right;
    Slot& slot = slots_[slot_of(pair)];
    if (slot.pair == kFree) slot = {pair, static_cast<std::uint32_t>(rank), rule.merged};
  }
  if (spec.model == TokenizerSpec::Model::kByteLevelBpe) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      letters_[byte] = table.find(spell_bytes(std::string_view(&c, 1)));
    }
  }
  if (spec.byte_fallback) byte_tokens_ = find_byte_tokens(spec);
}

std::size_t RankedBpe::slot_of(std::uint64_t pair) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = static_cast<std::size_t>((pair * 0x9e3779b97f4a7c15u) >> 20) & mask;  // Fibonacci hashing
  while (slots_[slot].pair != kFree && slots_[slot].pair != pair) slot = (slot + 1) & mask;
  return slot;
}

void RankedBpe::split_bytes(std::string_view piece, std::vector<Symbol>& symbols) const {
  for (std::size_t at = 0; at < piece.size(); ++at) {
    const auto letter = letters_[static_cast<unsigned char>(piece[at])];
    // A byte without a token disappears unless there is a token for the unknown: so it is in both references.
    if (letter || spec_->unk) append_symbol(symbols, letter ? *letter : *spec_->unk, at, 1);
  }
}

void RankedBpe::split_characters(std::string_view piece, std::vector<Symbol>& symbols) const {
  bool after_unknown = false;
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t size = utf8_step(piece, at).bytes;
    const std::string_view character = piece.substr(at, size);
    const auto id = table_->find(character);
    std::vector<std::uint32_t> bytes;
    if (id) {
      append_symbol(symbols, *id, at, size);
    } else if (spec_->byte_fallback && append_bytes(byte_tokens_, character, bytes)) {
      for (std::size_t i = 0; i < bytes.size(); ++i) append_symbol(symbols, bytes[i], at + i, 1);
    } else if (after_unknown && spec_->fuse_unknown) {
      symbols.back().size += static_cast<std::uint32_t>(size);
    } else if (spec_->unk) {
      append_symbol(symbols, *spec_->unk, at, size);
    }
    after_unknown = !id && bytes.empty() && spec_->unk.has_value();
    at += size;
  }
}

void RankedBpe::encode(std::string_view piece, std::vector<std::uint32_t>& ids) const {
  const bool bytes = spec_->model == TokenizerSpec::Model::kByteLevelBpe;
  if (spec_->ignore_merges) {
    const auto whole = bytes ? table_->find(spell_bytes(piece)) : table_->find(piece);
    if (whole) {
      ids.push_back(*whole);
      return;
    }
  }
  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  if (bytes) {
    split_bytes(piece, symbols);
  } else {
    split_characters(piece, symbols);
  }
  join_neighbours(symbols, [&](const Symbol& left, const Symbol& right) -> std::optional<Joined> {
    const Slot& slot = slots_[slot_of((std::uint64_t{left.id} << 32) | right.id)];
    if (slot.pair == kFree) return std::nullopt;
    return Joined{static_cast<double>(slot.rank), slot.merged};
  });
  for (const Symbol& symbol : symbols) {
    if (symbol.size > 0) ids.push_back(symbol.id);
  }
}

}  // namespace regroup
