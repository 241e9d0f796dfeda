// Byte-pair encoding by ranked merges, over bytes (GPT-2, Llama 3, Qwen 2) or over characters with byte fall-back (the
// tokenizer.json form of Llama 2 and Gemma).
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "runtime/text/merge_queue.h"
#include "runtime/text/token_model.h"

namespace regroup {

class RankedBpe : public TokenModel {
 public:
  RankedBpe(const TokenizerSpec& spec, const TokenTable& table);

  void encode(std::string_view piece, std::vector<std::uint32_t>& ids) const override;

 private:
  struct Slot {
    std::uint64_t pair = kFree;
    std::uint32_t rank = 0, merged = 0;
  };
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};

  std::size_t slot_of(std::uint64_t pair) const;
  void split_bytes(std::string_view piece, std::vector<Symbol>& symbols) const;
  void split_characters(std::string_view piece, std::vector<Symbol>& symbols) const;

  const TokenizerSpec* spec_;
  const TokenTable* table_;
  std::vector<Slot> slots_;  // pair of ids to rank: open addressing, a power of two of them
  std::array<std::optional<std::uint32_t>, 256> letters_{};  // byte-level: the token of each single byte
  ByteTokens byte_tokens_{};
};

}  // namespace regroup
