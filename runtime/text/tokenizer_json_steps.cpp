#include "runtime/text/tokenizer_json_steps.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "runtime/core/error.h"
#include "runtime/core/json_checked.h"
#include "runtime/core/utf8.h"
#include "runtime/text/base64.h"
#include "runtime/text/pre_tokenizer_names.h"

namespace regroup {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const char* stage, const std::string& what) {
  throw_error(ErrorCode::kBadModel, "tokenizer.json: {}: {}; this tokenizer is not supported", stage, escaped(what));
}

// A pattern is {"String": "..."} or {"Regex": "..."}, or a bare string in old files.
struct Pattern {
  std::string text;
  bool regex;
};

Pattern read_pattern(const Json& node) {
  if (node.is_string()) return {node.get<std::string>(), false};
  if (const auto regex = node.find("Regex"); regex != node.end()) return {regex->get<std::string>(), true};
  return {node.at("String").get<std::string>(), false};
}

PreTokenizerStep::Behavior read_behavior(const std::string& name) {
  using Behavior = PreTokenizerStep::Behavior;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  refuse("pre_tokenizer", "behavior \"" + name + "\"");
}

PreTokenizerStep regex_step(std::string_view pattern, PreTokenizerStep::Behavior behavior) {
  PreTokenizerStep step;
  step.pattern = pattern;
  step.behavior = behavior;
  return step;
}

PreTokenizerStep read_metaspace(const Json& node) {
  using Scheme = PreTokenizerStep::Scheme;
  PreTokenizerStep step;
  step.kind = PreTokenizerStep::Kind::kMetaspace;
  step.content = node.value("replacement", step.content);
  if (step.content.empty() || utf8_step(step.content, 0).bytes != step.content.size()) {
    refuse("pre_tokenizer", "replacement \"" + step.content + "\", which is not one character");
  }
  step.split = node.value("split", true);
  const std::string scheme = node.value("prepend_scheme", node.value("add_prefix_space", true) ? "always" : "never");
  if (scheme == "always") {
    step.scheme = Scheme::kAlways;
  } else if (scheme == "first") {
    step.scheme = Scheme::kFirst;
  } else if (scheme == "never") {
    step.scheme = Scheme::kNever;
  } else {
    refuse("pre_tokenizer", "prepend_scheme \"" + scheme + "\"");
  }
  return step;
}

bool read_byte_level(const Json& node, std::vector<PreTokenizerStep>& steps) {
  if (node.value("add_prefix_space", false)) {
    PreTokenizerStep prefix;
    prefix.kind = PreTokenizerStep::Kind::kAddPrefixSpace;
    steps.push_back(prefix);
  }
  if (node.value("use_regex", true)) steps.push_back(regex_step(gpt2_pattern(), PreTokenizerStep::Behavior::kIsolated));
  return true;
}

void read_split(const Json& node, std::vector<PreTokenizerStep>& steps) {
  PreTokenizerStep step;
  const Pattern pattern = read_pattern(node.at("pattern"));
  step.kind = pattern.regex ? PreTokenizerStep::Kind::kSplitRegex : PreTokenizerStep::Kind::kSplitText;
  step.pattern = pattern.text;
  step.behavior = read_behavior(node.at("behavior").get<std::string>());
  step.invert = node.value("invert", false);
  steps.push_back(step);
}

// A template is a list of {"SpecialToken": {"id": name}} and {"Sequence": {"id": "A"}}.
void read_template(const Json& node, TokenizerSpec& spec) {
  bool behind_text = false;
  const Json& specials = node.at("special_tokens");
  for (const Json& item : node.at("single")) {
    if (item.contains("Sequence")) {
      behind_text = true;
      continue;
    }
    const auto name = item.at("SpecialToken").at("id").get<std::string>();
    for (const Json& id : specials.at(name).at("ids")) {
      (behind_text ? spec.suffix : spec.prefix).push_back(token_id(id));
    }
  }
}

}  // namespace

std::uint32_t token_id(const Json& value) {
  if (!is_whole_number(value, UINT32_MAX))
    throw_error(ErrorCode::kBadModel, "tokenizer.json: a token's id is {}, not a whole number; the file is damaged",
                escaped(value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 40)));
  return value.get<std::uint32_t>();
}

void read_normalizer(const Json& node, std::vector<NormalizerStep>& steps) {
  using Kind = NormalizerStep::Kind;
  if (node.is_null()) return;
  const auto type = node.at("type").get<std::string>();
  NormalizerStep step;
  if (type == "Sequence") {
    for (const Json& inner : node.at("normalizers")) read_normalizer(inner, steps);
    return;
  }
  if (type == "Prepend") {
    step.kind = Kind::kPrepend;
    step.content = node.at("prepend").get<std::string>();
  } else if (type == "Replace") {
    const Pattern pattern = read_pattern(node.at("pattern"));
    step.kind = pattern.regex ? Kind::kReplaceRegex : Kind::kReplaceText;
    step.pattern = pattern.text;
    step.content = node.at("content").get<std::string>();
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    step.left = node.value("strip_left", true);
    step.right = node.value("strip_right", true);
  } else if (type == "Precompiled") {
    step.kind = Kind::kCharsmapGraphemes;
    const Json& charsmap = node.at("precompiled_charsmap");
    if (charsmap.is_null()) return;
    step.charsmap = decode_base64(charsmap.get_ref<const std::string&>());
  } else if (type == "NFC") {
    step.kind = Kind::kNfc;
  } else if (type == "NFD") {
    step.kind = Kind::kNfd;
  } else if (type == "NFKC") {
    step.kind = Kind::kNfkc;
  } else if (type == "NFKD") {
    step.kind = Kind::kNfkd;
  } else {
    refuse("normalizer", "type \"" + type + "\"");
  }
  steps.push_back(step);
}

bool read_pre_tokenizer(const Json& node, std::vector<PreTokenizerStep>& steps) {
  using Behavior = PreTokenizerStep::Behavior;
  if (node.is_null()) return false;
  const auto type = node.at("type").get<std::string>();
  if (type == "Sequence") {
    bool byte_level = false;
    for (const Json& inner : node.at("pretokenizers")) {
      if (byte_level) refuse("pre_tokenizer", "a step behind ByteLevel");
      byte_level = read_pre_tokenizer(inner, steps);
    }
    return byte_level;
  }
  if (type == "ByteLevel") return read_byte_level(node, steps);
  if (type == "Split") {
    read_split(node, steps);
  } else if (type == "Digits") {
    steps.push_back(regex_step(node.value("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)", Behavior::kIsolated));
  } else if (type == "Metaspace") {
    steps.push_back(read_metaspace(node));
  } else if (type == "WhitespaceSplit") {
    PreTokenizerStep step;
    step.kind = PreTokenizerStep::Kind::kWhitespaceSplit;
    steps.push_back(step);
  } else if (type == "Whitespace") {
    steps.push_back(regex_step(R"(\w+|[^\w\s]+)", Behavior::kRemoved));
    steps.back().invert = true;
  } else if (type == "Punctuation") {
    steps.push_back(regex_step(R"([\p{P}\x{21}-\x{2f}\x{3a}-\x{40}\x{5b}-\x{60}\x{7b}-\x{7e}])",
                               read_behavior(node.value("behavior", "Isolated"))));
  } else {
    refuse("pre_tokenizer", "type \"" + type + "\"");
  }
  return false;
}

bool read_post_processor(const Json& node, TokenizerSpec& spec) {
  const auto type = node.at("type").get<std::string>();
  if (type == "Sequence") {
    bool settled = false;
    for (const Json& inner : node.at("processors")) settled = read_post_processor(inner, spec) || settled;
    return settled;
  }
  if (type == "ByteLevel") return false;
  if (type == "TemplateProcessing") {
    read_template(node, spec);
    return true;
  }
  if (type == "RobertaProcessing" || type == "BertProcessing") {
    spec.prefix.push_back(token_id(node.at("cls").at(1)));
    spec.suffix.push_back(token_id(node.at("sep").at(1)));
    return true;
  }
  refuse("post_processor", "type \"" + type + "\"");
}

bool strips_leading_space(const Json& decoder) {
  // What the others do follows from the model: bytes are joined, spaces and byte tokens turned back.
  static constexpr std::string_view kKnown[] = {"Sequence", "Strip", "Metaspace",   "ByteLevel",
                                                "Replace",  "Fuse",  "ByteFallback"};
  const auto type = decoder.at("type").get<std::string>();
  if (std::find(std::begin(kKnown), std::end(kKnown), type) == std::end(kKnown)) {
    refuse("decoder", "type \"" + type + "\"");
  }
  if (type == "Sequence") {
    bool strips = false;
    for (const Json& inner : decoder.at("decoders")) strips = strips_leading_space(inner) || strips;
    return strips;
  }
  if (type == "Strip") {
    const auto start = decoder.find("start");
    return decoder.value("content", "") == " " && start != decoder.end() && start->is_number() && *start > 0;
  }
  if (type == "Metaspace") {
    return decoder.value("prepend_scheme", decoder.value("add_prefix_space", true) ? "always" : "never") != "never";
  }
  return false;
}

}  // namespace regroup
