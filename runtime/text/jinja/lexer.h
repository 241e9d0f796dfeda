// Template source to tokens: text, and the words between {{ }} and {% %}, with Jinja's rules for white space around
// them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace regroup::jinja {

enum class TokenKind {
  kText,
  kOutputBegin,
  kOutputEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind;
  std::string text;  // of a string: with its escapes resolved
  std::int64_t integer = 0;
  double real = 0;
  int line = 1;
};

// As with trim_blocks and lstrip_blocks, which chat templates are written for. Throws TemplateError.
std::vector<Token> tokenize(std::string_view source);

}  // namespace regroup::jinja
