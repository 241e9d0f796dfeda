// The few character properties that tokenising needs outside regular expressions.
#pragma once

#include <cstddef>
#include <string_view>

namespace regroup {

// Unicode's White_Space.
bool is_space(char32_t c);

// How many bytes of white space, or of what else counts as such, `text` (valid UTF-8) begins or ends with.
std::size_t leading_space_bytes(std::string_view text, bool (*counts)(char32_t) = is_space);
std::size_t trailing_space_bytes(std::string_view text, bool (*counts)(char32_t) = is_space);

// The character that ends just before byte `at` (> 0).
char32_t character_before(std::string_view text, std::size_t at);

}  // namespace regroup
