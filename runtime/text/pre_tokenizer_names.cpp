#include "runtime/text/pre_tokenizer_names.h"

#include <array>
#include <utility>

namespace regroup {
namespace {

using Patterns = std::array<std::string_view, 6>;  // applied one after the other; an empty one is not there

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

constexpr Patterns kGpt2{kGpt2Pattern};

constexpr Patterns kDigitsThenGpt2{R"(\p{N})", kGpt2Pattern};

constexpr Patterns kLlama3{
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr Patterns kQwen2{
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr Patterns kQwen35{
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr Patterns kTekken{R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
                           R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
                           R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr Patterns kGpt4o{
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

// The signs that both of DeepSeek's first tokenizers take for Chinese, Japanese and Korean.
constexpr std::string_view kEastAsian = R"([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)";

constexpr Patterns kDeepSeekLlm{R"([\r\n])",
                                R"(\s?[)"
#include "runtime/text/cased_letters.def"
                                R"(]+)",
                                R"(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+)",
                                R"(\s+$)",
                                kEastAsian,
                                R"(\p{N}+)"};

constexpr Patterns kDeepSeekCoder{R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kEastAsian, R"(\p{N})"};

constexpr Patterns kSeedCoder{
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"};

// Runs of digits in groups of three, counted from their ends.
constexpr Patterns kSuperBpe{R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"};

constexpr Patterns kMiniCpm5{
    R"(\p{N}{1,3})",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

constexpr std::pair<std::string_view, const Patterns*> kNames[] = {
#define PRE(name, patterns) {name, &patterns},
#include "runtime/text/pre_tokenizers.def"
#undef PRE
};

}  // namespace

std::string_view gpt2_pattern() {
  return kGpt2Pattern;
}

std::optional<std::vector<PreTokenizerStep>> pre_tokenizer_by_name(std::string_view name) {
  for (const auto& [known, patterns] : kNames) {
    if (known != name) continue;
    std::vector<PreTokenizerStep> steps;
    for (const std::string_view pattern : *patterns) {
      if (pattern.empty()) continue;
      PreTokenizerStep step;
      step.pattern = pattern;
      steps.push_back(step);
    }
    return steps;
  }
  return std::nullopt;
}

bool composes_text(std::string_view name) {
  return name == "qwen2" || name == "qwen35";
}

}  // namespace regroup
