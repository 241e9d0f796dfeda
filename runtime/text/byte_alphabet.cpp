#include "runtime/text/byte_alphabet.h"

#include <array>

#include "runtime/core/utf8.h"

namespace regroup {
namespace {

constexpr bool spells_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

// 188 bytes are printable Latin-1 characters; the other 68 take the code points from U+0100 on, in order.
constexpr std::size_t kLettersEnd = 0x100 + 68;

struct Alphabet {
  std::array<char32_t, 256> letter_of{};
  std::array<short, kLettersEnd> byte_of{};  // -1: not a letter

  constexpr Alphabet() {
    byte_of.fill(-1);
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      letter_of[byte] = spells_itself(byte) ? byte : next++;
      byte_of[letter_of[byte]] = static_cast<short>(byte);
    }
  }
};

constexpr Alphabet kAlphabet;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

char32_t byte_letter(unsigned char byte) {
  return kAlphabet.letter_of[byte];
}

std::string spell_bytes(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(out, byte_letter(static_cast<unsigned char>(byte)));
  return out;
}

std::optional<std::string> unspell_bytes(std::string_view spelled) {
  std::string out;
  out.reserve(spelled.size());
  for (std::size_t at = 0; at < spelled.size();) {
    const Utf8Step step = utf8_step(spelled, at);
    if (!step.valid || step.code_point >= kLettersEnd || kAlphabet.byte_of[step.code_point] < 0) return std::nullopt;
    out += static_cast<char>(kAlphabet.byte_of[step.code_point]);
    at += step.bytes;
  }
  return out;
}

std::optional<unsigned char> parse_byte_token(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return std::nullopt;
  const int high = hex_digit(token[3]), low = hex_digit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<unsigned char>(high * 16 + low);
}

}  // namespace regroup
