#include "runtime/file/split_name.h"

#include <fmt/format.h>

namespace regroup {

namespace {

constexpr std::size_t kDigits = 5;

// Exactly five digits at `text`'s position `at`.
std::optional<std::uint32_t> five_digits(std::string_view text, std::size_t at) {
  std::uint32_t value = 0;
  for (const char c : text.substr(at, kDigits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return value;
}

}  // namespace

std::optional<SplitName> parse_split_name(std::string_view file_name) {
  constexpr std::string_view kOf = "-of-", kEnding = ".gguf";
  constexpr std::size_t kTailBytes = 1 + kDigits + kOf.size() + kDigits + kEnding.size();
  if (file_name.size() <= kTailBytes) return std::nullopt;
  const std::string_view tail = file_name.substr(file_name.size() - kTailBytes);
  if (tail[0] != '-' || tail.substr(1 + kDigits, kOf.size()) != kOf || !tail.ends_with(kEnding)) return std::nullopt;
  const auto number = five_digits(tail, 1);
  const auto count = five_digits(tail, 1 + kDigits + kOf.size());
  if (!number || !count || *number < 1 || *number > *count) return std::nullopt;
  return SplitName{std::string(file_name.substr(0, file_name.size() - kTailBytes)), *number, *count};
}

std::string make_split_name(std::string_view prefix, std::uint32_t number, std::uint32_t count) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, number, count);
}

}  // namespace regroup
