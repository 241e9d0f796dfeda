#include "runtime/text/charsmap.h"

#include "runtime/core/error.h"

namespace regroup {
namespace {

// A unit of Darts-clone's double array: bits 0-7 and 31 label, bit 8 "a value follows", bits 9-30 offset to the
// children.
constexpr std::uint32_t label(std::uint32_t unit) {
  return unit & (0x80000000u | 0xffu);
}
constexpr bool has_value(std::uint32_t unit) {
  return ((unit >> 8) & 1u) != 0;
}
constexpr std::uint32_t value(std::uint32_t unit) {
  return unit & 0x7fffffffu;
}
constexpr std::uint32_t offset(std::uint32_t unit) {
  return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

}  // namespace

Charsmap::Charsmap(const std::vector<std::uint8_t>& blob) {
  if (blob.empty()) return;
  const auto word = [&](std::size_t at) {
    return std::uint32_t{blob[at]} | std::uint32_t{blob[at + 1]} << 8 | std::uint32_t{blob[at + 2]} << 16 |
           std::uint32_t{blob[at + 3]} << 24;
  };
  const std::size_t trie_bytes = blob.size() < 4 ? 0 : word(0);
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4) {
    throw_error(ErrorCode::kBadModel,
                "tokenizer: its precompiled character map says {} bytes of trie in {} bytes; the file is damaged",
                trie_bytes, blob.size());
  }
  units_.resize(trie_bytes / 4);
  for (std::size_t i = 0; i < units_.size(); ++i) units_[i] = word(4 + i * 4);
  texts_.assign(blob.begin() + static_cast<std::ptrdiff_t>(4 + trie_bytes), blob.end());
  texts_ += '\0';  // so that a text without an end ends here
}

std::optional<Charsmap::Replacement> Charsmap::find(std::string_view text, std::size_t at, bool longest) const {
  std::optional<Replacement> found;
  if (units_.empty()) return found;
  std::size_t node = offset(units_[0]);
  for (std::size_t i = at; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label(units_[node]) != byte) break;
    const std::uint32_t unit = units_[node];
    node ^= offset(unit);
    if (node >= units_.size()) break;
    if (!has_value(unit)) continue;
    const std::size_t text_at = value(units_[node]);
    if (text_at >= texts_.size()) break;
    const std::string_view rest = std::string_view(texts_).substr(text_at);
    found = Replacement{i + 1 - at, rest.substr(0, rest.find('\0'))};
    if (!longest) break;
  }
  return found;
}

}  // namespace regroup
