// Oniguruma (Ruby syntax) to PCRE2. Both agree on nearly everything that tokenizers use; what differs is spelled out
// here: \s (PCRE2 adds U+180E), the Unicode version behind \p{..}, \w (Oniguruma counts marks in), \u escapes, nested
// classes (refused).
#include <array>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/text/regex.h"

namespace regroup {
namespace {

constexpr std::size_t kMaxPatternBytes = 64 * 1024;

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kAdditions{{
#define ADDED(category, items) {#category, items},
#include "runtime/text/unicode/additions.def"
#undef ADDED
}};

constexpr std::string_view kSpaceItems =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string run() {
    if (pattern_.size() > kMaxPatternBytes) fail("is too long");
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        escape();
      } else if (in_class_) {
        class_character(c);
      } else {
        if (c == '[') open_class();
        out_ += c;
        ++at_;
        if (c == '[' && at_ < pattern_.size() && pattern_[at_] == '^') out_ += pattern_[at_++];
        // A bracket that comes first in a class stands for itself in PCRE2 and is an error in Oniguruma.
        if (c == '[' && at_ < pattern_.size() && pattern_[at_] == ']') fail("has an empty class");
      }
    }
    if (in_class_) fail("has a class without an end");
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw_error(ErrorCode::kBadModel, "tokenizer: its pattern \"{}\" {}; this tokenizer is not supported",
                escaped(pattern_), why);
  }

  void open_class() { in_class_ = true; }

  void class_character(char c) {
    if (c == '[') fail("has a class inside a class");
    if (c == '&' && pattern_.substr(at_, 2) == "&&") fail("intersects classes");
    if (c == ']') in_class_ = false;
    out_ += c;
    ++at_;
  }

  // Items of a class, in brackets of their own when they do not stand in a class already.
  void put_items(std::string_view items, bool negated) {
    if (in_class_ && negated) fail("has a negated class inside a class");
    if (in_class_) {
      out_ += items;
    } else {
      out_ += negated ? "[^" : "[";
      out_ += items;
      out_ += ']';
    }
  }

  void property(bool negated) {
    const std::size_t close = pattern_.find('}', at_);
    if (at_ + 2 >= pattern_.size() || pattern_[at_ + 2] != '{' || close == std::string_view::npos)
      fail("has a property without a name");
    std::string_view name = pattern_.substr(at_ + 3, close - at_ - 3);
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    std::string items = "\\p{" + std::string(name) + "}";
    for (const auto& [category, added] : kAdditions) {
      if (category == name) items += added;
    }
    put_items(items, negated);
    at_ = close + 1;
  }

  void code_point(std::size_t digits_at, std::size_t digits) {
    const std::string_view hex = pattern_.substr(digits_at, digits);
    if (hex.size() != digits || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
      fail("has a bad \\u escape");
    out_ += "\\x{" + std::string(hex) + "}";
    at_ = digits_at + digits;
  }

  void escape() {
    if (at_ + 1 >= pattern_.size()) fail("ends in a backslash");
    const char c = pattern_[at_ + 1];
    const bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == 's' || c == 'S') {
      put_items(kSpaceItems, c == 'S');
      at_ += 2;
    } else if (c == 'w' || c == 'W') {
      put_items("\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}", c == 'W');
      at_ += 2;
    } else if (c == 'd' || c == 'D') {
      put_items(std::string("\\p{Nd}") + std::string(kAdditions.back().second), c == 'D');
      at_ += 2;
    } else if (c == 'p' || c == 'P') {
      property(c == 'P');
    } else if (c == 'u') {
      code_point(at_ + 2, 4);
    } else if (std::string_view("rntfvbBAzZGxX").find(c) != std::string_view::npos || !letter_or_digit) {
      out_ += pattern_.substr(at_, 2);
      at_ += 2;
    } else {
      fail(std::string("uses \\") + c);
    }
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

}  // namespace

std::string translate_regex(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace regroup
