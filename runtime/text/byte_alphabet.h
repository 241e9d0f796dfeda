// GPT-2's alphabet: each byte is spelled as one printable character, so that byte-level tokens can be stored as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace regroup {

// The character that spells `byte`.
char32_t byte_letter(unsigned char byte);

// Bytes to their spelling.
std::string spell_bytes(std::string_view bytes);

// The bytes that `spelled` stands for; nothing when it has a character outside the alphabet.
std::optional<std::string> unspell_bytes(std::string_view spelled);

// The byte of a token spelled "<0x41>": exactly two hexadecimal digits.
std::optional<unsigned char> parse_byte_token(std::string_view token);

}  // namespace regroup
