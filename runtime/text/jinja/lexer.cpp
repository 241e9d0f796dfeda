#include "runtime/text/jinja/lexer.h"

#include <array>
#include <charconv>

#include "runtime/core/utf8.h"
#include "runtime/text/jinja/value.h"

namespace regroup::jinja {
namespace {

constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxTokens = 200'000;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name(char c) {
  return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string with_plain_line_ends(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();  // Jinja drops one line end at the end of a template
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_line_ends(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const std::size_t tag = next_tag(at_);
      text(tag);
      if (tag == source_.size()) break;
      switch (source_[tag + 1]) {
        case '#':
          comment();
          break;
        case '{':
          expression(TokenKind::kOutputBegin, TokenKind::kOutputEnd, "}}");
          break;
        default:
          if (!raw()) expression(TokenKind::kBlockBegin, TokenKind::kBlockEnd, "%}");
      }
    }
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw TemplateError("line " + std::to_string(line_) + ": " + what);
  }

  char peek(std::size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  Token& add(TokenKind kind, std::string text) {
    if (tokens_.size() >= kMaxTokens) fail("the template has too many words");
    tokens_.push_back({kind, std::move(text), 0, 0, line_});
    return tokens_.back();
  }

  void skip(std::size_t end) {
    for (; at_ < end; ++at_) {
      if (source_[at_] == '\n') ++line_;
    }
  }

  // The next {{, {% or {#, or the end.
  std::size_t next_tag(std::size_t from) const {
    for (std::size_t i = from; i + 1 < source_.size(); ++i) {
      if (source_[i] == '{' && (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#')) return i;
    }
    return source_.size();
  }

  // The text up to the tag at `tag`, without what the tag takes away in front of it.
  void text(std::size_t tag) {
    std::size_t end = tag;
    if (tag < source_.size()) {
      const char mark = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
      if (mark == '-') {
        while (end > at_ && is_space(source_[end - 1])) --end;
      } else if (source_[tag + 1] != '{' && mark != '+') {
        end = without_indent(end);
      }
    }
    if (end > at_) add(TokenKind::kText, source_.substr(at_, end - at_));
    skip(tag);
  }

  // White space in front of a tag goes when the tag is the first thing on its line.
  std::size_t without_indent(std::size_t end) const {
    std::size_t begin = end;
    while (begin > at_ && (source_[begin - 1] == ' ' || source_[begin - 1] == '\t')) --begin;
    // What stands in front may also be the line end that an earlier tag took.
    return begin == 0 || source_[begin - 1] == '\n' ? begin : end;
  }

  // Behind "-%}" all white space goes, behind a plain block end or comment one line end.
  void after_tag(char mark, bool trims_line_end) {
    if (mark == '-') {
      std::size_t end = at_;
      while (end < source_.size() && is_space(source_[end])) ++end;
      skip(end);
    } else if (trims_line_end && mark != '+' && peek() == '\n') {
      skip(at_ + 1);
    }
  }

  void comment() {
    const std::size_t end = source_.find("#}", at_ + 2);
    if (end == std::string::npos) fail("a comment without an end");
    const char mark = end > at_ + 2 ? source_[end - 1] : '\0';
    skip(end + 2);
    after_tag(mark, true);
  }

  // {% raw %} text {% endraw %}: true when there was one.
  bool raw() {
    std::size_t i = at_ + 2;
    if (peek(2) == '-' || peek(2) == '+') ++i;
    while (i < source_.size() && is_space(source_[i])) ++i;
    if (source_.compare(i, 3, "raw") != 0) return false;
    i += 3;
    while (i < source_.size() && is_space(source_[i])) ++i;
    const char mark = i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i++] : '\0';
    if (source_.compare(i, 2, "%}") != 0) return false;
    skip(i + 2);
    after_tag(mark, true);
    for (std::size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 2)) {
      std::size_t word = tag + 2;
      if (word < source_.size() && (source_[word] == '-' || source_[word] == '+')) ++word;
      while (word < source_.size() && is_space(source_[word])) ++word;
      if (source_.compare(word, 6, "endraw") != 0) continue;
      text(tag);
      const std::size_t end = source_.find("%}", word);
      if (end == std::string::npos) break;
      const char end_mark = source_[end - 1];
      skip(end + 2);
      after_tag(end_mark, true);
      return true;
    }
    fail("raw without endraw");
  }

  void expression(TokenKind begin, TokenKind end, std::string_view closing) {
    add(begin, "");
    skip(at_ + 2);
    if (peek() == '-' || (peek() == '+' && begin == TokenKind::kBlockBegin)) skip(at_ + 1);
    int brackets = 0;  // "}}" may close two dictionaries
    while (true) {
      while (is_space(peek())) skip(at_ + 1);
      if (at_ >= source_.size()) fail("a tag without an end");
      const char mark = peek();
      const bool marked = (mark == '-' || mark == '+') && source_.compare(at_ + 1, 2, closing) == 0;
      if (brackets == 0 && (marked || source_.compare(at_, 2, closing) == 0)) {
        skip(at_ + (marked ? 3 : 2));
        add(end, "");
        after_tag(marked ? mark : '\0', begin == TokenKind::kBlockBegin);
        return;
      }
      word(brackets);
    }
  }

  void word(int& brackets) {
    const char c = peek();
    if (c == '"' || c == '\'') {
      string(c);
    } else if (is_digit(c)) {
      number();
    } else if (is_name(c)) {
      std::size_t end = at_;
      while (end < source_.size() && is_name(source_[end])) ++end;
      add(TokenKind::kName, source_.substr(at_, end - at_));
      skip(end);
    } else {
      constexpr std::array<std::string_view, 6> kPairs{"==", "!=", "<=", ">=", "//", "**"};
      for (const std::string_view pair : kPairs) {
        if (source_.compare(at_, 2, pair) == 0) {
          add(TokenKind::kOperator, std::string(pair));
          skip(at_ + 2);
          return;
        }
      }
      if (std::string_view("+-*/%~<>=()[]{}|.,:").find(c) == std::string_view::npos)
        fail(std::string("unexpected character '") + c + "'");
      if (c == '(' || c == '[' || c == '{') ++brackets;
      if ((c == ')' || c == ']' || c == '}') && --brackets < 0) fail("a bracket closes nothing");
      add(TokenKind::kOperator, std::string(1, c));
      skip(at_ + 1);
    }
  }

  void number() {
    std::string digits;
    std::size_t end = at_;
    bool real = false;
    for (; end < source_.size(); ++end) {
      const char c = source_[end];
      const char next = end + 1 < source_.size() ? source_[end + 1] : '\0';
      if (c == '_' && is_digit(next)) continue;
      if (c == '.' && !real && is_digit(next)) {
        real = true;
      } else if ((c == 'e' || c == 'E') && (is_digit(next) || next == '-' || next == '+') &&
                 digits.find('e') == std::string::npos) {
        real = true;
        digits += 'e';
        if (!is_digit(next)) digits += source_[++end];
        continue;
      } else if (!is_digit(c)) {
        break;
      }
      digits += c;
    }
    Token& token = add(real ? TokenKind::kFloat : TokenKind::kInteger, digits);
    const char* last = digits.data() + digits.size();
    const auto result =
        real ? std::from_chars(digits.data(), last, token.real) : std::from_chars(digits.data(), last, token.integer);
    if (result.ec != std::errc() || result.ptr != last) fail("the number " + digits + " is not supported");
    skip(end);
  }

  void string(char quote) {
    Token& token = add(TokenKind::kString, "");
    skip(at_ + 1);
    while (true) {
      if (at_ >= source_.size()) fail("a string without an end");
      const char c = peek();
      if (c == quote) break;
      if (c == '\\') {
        escape(token.text);
      } else {
        token.text += c;
        skip(at_ + 1);
      }
    }
    skip(at_ + 1);
  }

  // Python's escapes; an unknown one stays as it is.
  void escape(std::string& out) {
    const char c = peek(1);
    constexpr std::string_view kLetters = "ntrbfva0\\'\"", kMeanings{"\n\t\r\b\f\v\a\0\\'\"", 11};
    if (const std::size_t found = kLetters.find(c); found != std::string_view::npos) {
      out += kMeanings[found];
      skip(at_ + 2);
    } else if (c == '\n') {
      skip(at_ + 2);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t digits = c == 'x' ? 2 : (c == 'u' ? 4 : 8);
      unsigned value = 0;
      const char* first = source_.data() + at_ + 2;
      if (at_ + 2 + digits > source_.size()) fail("an escape is cut off");
      const auto result = std::from_chars(first, first + digits, value, 16);
      if (result.ptr != first + digits || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) fail("a bad escape");
      append_utf8(out, value);
      skip(at_ + 2 + digits);
    } else {
      out += '\\';
      skip(at_ + 1);
    }
  }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  if (source.size() > kMaxSourceBytes) throw TemplateError("the template is longer than 1 MiB");
  return Lexer(source).run();
}

}  // namespace regroup::jinja
