// UTF-8, one code point at a time, strict: overlong forms, surrogates and values past U+10FFFF are invalid.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace regroup {

struct Utf8Step {
  char32_t code_point;  // U+FFFD when invalid
  std::size_t bytes;    // at least 1: how far to move on
  bool valid;
};

// Reads the code point that starts at byte `at` (< text.size()). An invalid byte is one step of one byte.
Utf8Step utf8_step(std::string_view text, std::size_t at);

// Appends the UTF-8 form of `code_point` (a valid scalar value).
void append_utf8(std::string& out, char32_t code_point);

// The number of bytes at the end of `text` that begin a character which is not complete yet (0 to 3).
std::size_t incomplete_utf8_tail(std::string_view text);

// `text` with every maximal ill-formed part replaced by one U+FFFD (the rule of WHATWG and of Python's
// errors="replace").
std::string replace_invalid_utf8(std::string_view text);

}  // namespace regroup
