// What filters and methods have in common on texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/text/jinja/interpreter.h"

namespace regroup::jinja {

// What str.strip() and str.split() take for white space: Unicode's, and the four separators of ASCII.
bool is_python_space(char32_t c);

std::size_t character_count(std::string_view text);

// What it costs to look for `part` in `text`: when both are long and repeat themselves, every place is compared far.
void spend_search(Interpreter& interpreter, std::string_view text, std::string_view part);

// Without the characters `characters` (white space when there are none) at its ends.
std::string strip_text(Budget& budget, std::string_view text, const std::optional<std::string>& characters, bool left,
                       bool right);

// Python's split(): at most `most` cuts (negative: all); without separator at white space, and without empty parts.
Value split_text(Interpreter& interpreter, const std::string& text, const std::optional<std::string>& separator,
                 std::int64_t most);

// At most `most` replacements (negative: all).
Value replace_text(Interpreter& interpreter, const std::string& text, const std::string& old_part,
                   const std::string& new_part, std::int64_t most);

// Letters of ASCII, Latin-1, Greek and Cyrillic change case; others stay.
std::string upper_text(std::string_view text);
std::string lower_text(std::string_view text);
std::string title_text(std::string_view text);
std::string capitalized_text(std::string_view text);
// Whether there are letters, and all of them have that case.
bool is_upper_text(std::string_view text);
bool is_lower_text(std::string_view text);

}  // namespace regroup::jinja
