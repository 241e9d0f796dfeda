#include "runtime/core/error.h"

#include "runtime/core/utf8.h"

namespace regroup {

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kFailed:
    case ErrorCode::kNotANumber:
      return 1;
    case ErrorCode::kUsage:
      return 2;
    case ErrorCode::kBadModel:
      return 3;
    case ErrorCode::kNoDevice:
      return 4;
    case ErrorCode::kDeviceLost:
      return 5;
    case ErrorCode::kOutOfMemory:
      return 6;
    case ErrorCode::kInterrupted:
      return 130;
  }
  return 1;
}

void fail_check(const char* condition, const char* file, int line) {
  throw std::logic_error(fmt::format("{}:{}: internal check failed: {}", file, line, condition));
}

namespace {

bool is_dangerous_on_terminal(char32_t c) {
  const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
  const bool bidi = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f;
  const bool separator = c == 0x2028 || c == 0x2029 || c == 0xfeff;
  return control || bidi || separator;
}

}  // namespace

std::string escaped(std::string_view text, std::size_t limit) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (out.size() >= limit) {
      out += "...";
      break;
    }
    const Utf8Step step = utf8_step(text, at);
    if (!step.valid) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
    } else if (is_dangerous_on_terminal(step.code_point)) {
      out += fmt::format("\\u{{{:x}}}", static_cast<unsigned>(step.code_point));
    } else {
      out += text.substr(at, step.bytes);
    }
    at += step.bytes;
  }
  return out;
}

}  // namespace regroup
