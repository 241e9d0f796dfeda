#include "runtime/text/unicode/properties.h"

#include "runtime/core/utf8.h"

namespace regroup {
namespace {

// The byte at which the character that ends before `at` begins.
std::size_t previous_begin(std::string_view text, std::size_t at) {
  std::size_t begin = at - 1;
  while (begin > 0 && at - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xc0u) == 0x80u) --begin;
  return begin;
}

}  // namespace

bool is_space(char32_t c) {
  return (c >= 0x9 && c <= 0xd) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

std::size_t leading_space_bytes(std::string_view text, bool (*counts)(char32_t)) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Step step = utf8_step(text, at);
    if (!counts(step.code_point)) break;
    at += step.bytes;
  }
  return at;
}

std::size_t trailing_space_bytes(std::string_view text, bool (*counts)(char32_t)) {
  std::size_t end = text.size();
  while (end > 0 && counts(character_before(text, end))) end = previous_begin(text, end);
  return text.size() - end;
}

char32_t character_before(std::string_view text, std::size_t at) {
  return utf8_step(text.substr(0, at), previous_begin(text, at)).code_point;
}

}  // namespace regroup
