// SentencePiece's spelling of a space: U+2581.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace regroup {

inline constexpr std::string_view kSpaceSymbol = "\xe2\x96\x81";

// `text` with plain spaces for the symbols.
inline std::string with_plain_spaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t found = std::min(text.find(kSpaceSymbol, at), text.size());
    out += text.substr(at, found - at);
    if (found < text.size()) out += ' ';
    at = found + kSpaceSymbol.size();
  }
  return out;
}

}  // namespace regroup
