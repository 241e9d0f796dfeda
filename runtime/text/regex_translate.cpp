// Oniguruma (Ruby syntax) to PCRE2. Both agree on nearly everything that tokenizers use; what differs is spelled out
// here: \s (PCRE2 adds U+180E), the Unicode version behind \p{..}, scripts (PCRE2 takes the characters that several
// scripts share in), \w (Oniguruma counts marks in), \u escapes, (?m), intervals, nested classes (refused).
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

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
      } else if (c == '(') {
        open_group();
      } else if (c == '{') {
        interval();
      } else {
        if (c == '[') open_class();
        mark_atom(c);
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

  // Remembers where the thing that a quantifier would repeat starts.
  void mark_atom(char c) {
    if (c == ')') {
      if (groups_.empty()) return;  // PCRE2 refuses it
      atom_at_ = groups_.back();
      groups_.pop_back();
    } else if (std::string_view("*+?").find(c) == std::string_view::npos && (static_cast<unsigned char>(c) >> 6) != 2) {
      atom_at_ = out_.size();
    }
  }

  // Ruby's "m" is what others call "s": the dot matches ends of lines too. (What others call "m" is always on.)
  void open_group() {
    groups_.push_back(out_.size());
    out_ += pattern_[at_++];
    if (at_ >= pattern_.size() || pattern_[at_] != '?') return;
    const std::size_t end = pattern_.find_first_not_of("imx-", at_ + 1);
    if (end == std::string_view::npos || (pattern_[end] != ':' && pattern_[end] != ')')) return;
    for (; at_ < end; ++at_) out_ += pattern_[at_] == 'm' ? 's' : pattern_[at_];
  }

  // Behind {n,m} a plus repeats the whole once more, and so does a question mark behind {n}: neither makes the interval
  // possessive or lazy. {,m} is {0,m}. A brace that begins no interval stands for itself.
  void interval() {
    const auto digits_end = [&](std::size_t from) {
      return std::min(pattern_.find_first_not_of("0123456789", from), pattern_.size());
    };
    const std::size_t least_end = digits_end(at_ + 1);
    const bool has_least = least_end > at_ + 1;
    std::size_t end = least_end;
    const bool fixed = end >= pattern_.size() || pattern_[end] != ',';
    if (!fixed) end = digits_end(end + 1);
    const bool has_most = !fixed && end > least_end + 1;
    if (end >= pattern_.size() || pattern_[end] != '}' || (!has_least && !has_most)) {
      mark_atom('{');
      out_ += pattern_[at_++];
      return;
    }
    const char behind = end + 1 < pattern_.size() ? pattern_[end + 1] : '\0';
    const bool wraps = behind == '+' || (behind == '?' && fixed);
    if (wraps && end + 2 < pattern_.size() &&
        std::string_view("*+?{").find(pattern_[end + 2]) != std::string_view::npos) {
      fail("repeats a repetition");
    }
    if (wraps) out_.insert(atom_at_, "(?:");
    out_ += has_least ? "{" : "{0";
    out_ += pattern_.substr(at_ + 1, end - at_);
    if (wraps) out_ += ')';
    at_ = end + 1;
  }

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
    std::string items = (is_script(name) ? "\\p{sc:" : "\\p{") + std::string(name) + "}";
    for (const auto& [category, added] : kAdditions) {
      if (category == name) items += added;
    }
    put_items(items, negated);
    at_ = close + 1;
  }

  // Oniguruma's word characters: letters, marks, decimal digits, letters that are numbers or symbols (circled ones),
  // and of the other numbers only Latin-1's.
  static std::string word_items() {
    std::string items =
        R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149})"
        R"(\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";
    for (const auto& [category, added] : kAdditions) {
      if (category == "L" || category == "M" || category == "Nd") items += added;
    }
    return items;
  }

  void code_point(std::size_t digits_at, std::size_t digits) {
    const std::string_view hex = pattern_.substr(digits_at, digits);
    if (hex.size() != digits || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
      fail("has a bad \\u escape");
    out_ += "\\x{" + std::string(hex) + "}";
    at_ = digits_at + digits;
  }

  void escape() {
    if (!in_class_) atom_at_ = out_.size();
    if (at_ + 1 >= pattern_.size()) fail("ends in a backslash");
    const char c = pattern_[at_ + 1];
    const bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == 's' || c == 'S') {
      put_items(kSpaceItems, c == 'S');
      at_ += 2;
    } else if (c == 'w' || c == 'W') {
      put_items(word_items(), c == 'W');
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
  std::size_t atom_at_ = 0;          // in out_
  std::vector<std::size_t> groups_;  // where the open ones start in out_
};

}  // namespace

std::string translate_regex(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace regroup
