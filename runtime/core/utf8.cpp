#include "runtime/core/utf8.h"

namespace regroup {
namespace {

// The length that a lead byte announces, 0 for a byte that cannot lead.
std::size_t announced_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

}  // namespace

Utf8Step utf8_step(std::string_view text, std::size_t at) {
  const Utf8Step invalid{0xfffd, 1, false};
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const std::size_t length = announced_length(byte(0));
  if (length == 0 || at + length > text.size()) return invalid;
  if (length == 1) return {byte(0), 1, true};
  char32_t value = byte(0) & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return invalid;
    value = (value << 6) | (byte(i) & 0x3fu);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  if (overlong || surrogate || value > 0x10ffff) return invalid;
  return {value, length, true};
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t bits) { out += static_cast<char>(static_cast<unsigned char>(bits)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | (c >> 6));
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3f));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

std::size_t incomplete_utf8_tail(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0u) == 0x80u) continue;
    const std::size_t length = announced_length(byte);
    return length > back ? back : 0;
  }
  return 0;
}

namespace {

// The length of the ill-formed part at `at`: the lead byte and as many continuation bytes as some valid character has
// there.
std::size_t ill_formed_length(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = announced_length(lead);
  std::size_t seen = 1;
  while (seen < length && at + seen < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at + seen]);
    unsigned char low = 0x80, high = 0xbf;
    if (seen == 1) {  // the second byte excludes overlong forms, surrogates and values past U+10FFFF
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    }
    if (byte < low || byte > high) break;
    ++seen;
  }
  return seen;
}

}  // namespace

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    if (step.valid) {
      out += text.substr(at, step.bytes);
      at += step.bytes;
    } else {
      append_utf8(out, 0xfffd);
      at += ill_formed_length(text, at);
    }
  }
  return out;
}

}  // namespace regroup
