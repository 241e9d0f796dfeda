#include "runtime/text/pre_tokenizer_names.h"

#include <array>
#include <utility>

namespace regroup {
namespace {

using Patterns = std::array<std::string_view, 2>;  // applied one after the other; an empty one is not there

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

}  // namespace regroup
