#include "runtime/text/end_of_generation.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace regroup {
namespace {

constexpr std::array<std::string_view, 10> kUnmistakable{"<|eot_id|>",      "<|eom_id|>",      "<|im_end|>", "<|end|>",
                                                         "<|endoftext|>",   "<|end_of_text|>", "<|return|>", "<|call|>",
                                                         "<|end_of_turn|>", "<end_of_turn>"};

constexpr std::array<std::string_view, 8> kOnlyWhenControl{"</s>",
                                                           "<eos>",
                                                           "<EOT>",
                                                           "[EOT]",
                                                           "[EOS]",
                                                           "<end_of_utterance>",
                                                           "<turn|>",
                                                           "<\xef\xbd\x9c"
                                                           "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"};

}  // namespace

std::vector<std::uint32_t> end_tokens_by_name(const TokenizerSpec& spec) {
  const auto listed = [](const auto& names, std::string_view token) {
    return std::find(names.begin(), names.end(), token) != names.end();
  };
  std::vector<std::uint32_t> ids;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    const std::string_view token = spec.tokens[id];
    const bool control = id < spec.types.size() && spec.types[id] == TokenType::kControl;
    if (token.size() > 40 || (token.substr(0, 1) != "<" && token.substr(0, 1) != "[")) continue;
    if (listed(kUnmistakable, token) || (control && listed(kOnlyWhenControl, token)))
      ids.push_back(static_cast<std::uint32_t>(id));
  }
  return ids;
}

}  // namespace regroup
