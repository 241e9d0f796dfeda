#include "runtime/text/tokenizer_json_steps.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/core/utf8.h"
#include "runtime/text/base64.h"
#include "runtime/text/pre_tokenizer_names.h"
#include "runtime/text/regex.h"

namespace regroup {
namespace {

[[noreturn]] void refuse_value(const JsonField& field) {
  field.refuse(fmt::format("is \"{}\", which is not supported", escaped(field.text())));
}

// A pattern is {"String": "..."} or {"Regex": "..."}, or a bare string in old files.
struct Pattern {
  std::string text;
  bool regex;
};

Pattern read_pattern(const JsonField& node) {
  if (node.is_text()) return {node.text(), false};
  if (const auto regex = node.find("Regex")) return {regex->text(), true};
  return {node.at("String").text(), false};
}

PreTokenizerStep::Behavior read_behavior(const JsonField& node) {
  using Behavior = PreTokenizerStep::Behavior;
  const std::string& name = node.text();
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  refuse_value(node);
}

PreTokenizerStep regex_step(std::string_view pattern, PreTokenizerStep::Behavior behavior) {
  PreTokenizerStep step;
  step.pattern = pattern;
  step.behavior = behavior;
  return step;
}

// Metaspace's, of pre-tokenizers and decoders; older files only say whether there is a prefix.
std::string prepend_scheme(const JsonField& node) {
  return node.text("prepend_scheme", node.truth("add_prefix_space", true) ? "always" : "never");
}

PreTokenizerStep read_metaspace(const JsonField& node) {
  using Scheme = PreTokenizerStep::Scheme;
  PreTokenizerStep step;
  step.kind = PreTokenizerStep::Kind::kMetaspace;
  step.content = node.text("replacement", step.content);
  if (step.content.empty() || utf8_step(step.content, 0).bytes != step.content.size()) {
    node.at("replacement").refuse(fmt::format("is \"{}\", which is not one character", escaped(step.content, 60)));
  }
  step.split = node.truth("split", true);
  const std::string scheme = prepend_scheme(node);
  if (scheme == "always") {
    step.scheme = Scheme::kAlways;
  } else if (scheme == "first") {
    step.scheme = Scheme::kFirst;
  } else if (scheme == "never") {
    step.scheme = Scheme::kNever;
  } else {
    refuse_value(node.at("prepend_scheme"));
  }
  return step;
}

void read_byte_level(const JsonField& node, std::vector<PreTokenizerStep>& steps) {
  if (node.truth("add_prefix_space", false)) {
    PreTokenizerStep prefix;
    prefix.kind = PreTokenizerStep::Kind::kAddPrefixSpace;
    steps.push_back(prefix);
  }
  if (node.truth("use_regex", true)) steps.push_back(regex_step(gpt2_pattern(), PreTokenizerStep::Behavior::kIsolated));
}

void read_split(const JsonField& node, std::vector<PreTokenizerStep>& steps) {
  PreTokenizerStep step;
  const Pattern pattern = read_pattern(node.at("pattern"));
  step.kind = pattern.regex ? PreTokenizerStep::Kind::kSplitRegex : PreTokenizerStep::Kind::kSplitText;
  step.pattern = pattern.text;
  step.behavior = read_behavior(node.at("behavior"));
  step.invert = node.truth("invert", false);
  steps.push_back(step);
}

// A template is a list of {"SpecialToken": {"id": name}} and {"Sequence": {"id": "A"}}.
void read_template(const JsonField& node, TokenizerSpec& spec) {
  bool behind_text = false;
  const JsonField specials = node.at("special_tokens");
  node.at("single").each([&](const JsonField& item) {
    if (item.find("Sequence")) {
      behind_text = true;
      return;
    }
    const std::string& name = item.at("SpecialToken").at("id").text();
    specials.at(name).at("ids").each(
        [&](const JsonField& id) { (behind_text ? spec.suffix : spec.prefix).push_back(id.id()); });
  });
}

}  // namespace

void read_normalizer(const JsonField& node, std::vector<NormalizerStep>& steps) {
  using Kind = NormalizerStep::Kind;
  const JsonField type_field = node.at("type");
  const std::string& type = type_field.text();
  NormalizerStep step;
  if (type == "Sequence") {
    node.at("normalizers").each([&](const JsonField& inner) { read_normalizer(inner, steps); });
    return;
  }
  if (type == "Prepend") {
    step.kind = Kind::kPrepend;
    step.content = node.at("prepend").text();
  } else if (type == "Replace") {
    const Pattern pattern = read_pattern(node.at("pattern"));
    step.kind = pattern.regex ? Kind::kReplaceRegex : Kind::kReplaceText;
    step.pattern = pattern.text;
    step.content = node.at("content").text();
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    step.left = node.truth("strip_left", true);
    step.right = node.truth("strip_right", true);
  } else if (type == "Precompiled") {
    step.kind = Kind::kCharsmapGraphemes;
    const JsonField charsmap = node.at("precompiled_charsmap");
    if (charsmap.is_null()) return;
    auto bytes = decode_base64(charsmap.text());
    if (!bytes) charsmap.refuse("is no base64");
    step.charsmap = *std::move(bytes);
  } else if (type == "NFC") {
    step.kind = Kind::kNfc;
  } else if (type == "NFD") {
    step.kind = Kind::kNfd;
  } else if (type == "NFKC") {
    step.kind = Kind::kNfkc;
  } else if (type == "NFKD") {
    step.kind = Kind::kNfkd;
  } else {
    refuse_value(type_field);
  }
  steps.push_back(step);
}

bool read_pre_tokenizer(const JsonField& node, std::vector<PreTokenizerStep>& steps) {
  using Behavior = PreTokenizerStep::Behavior;
  const JsonField type_field = node.at("type");
  const std::string& type = type_field.text();
  if (type == "Sequence") {
    bool byte_level = false;
    node.at("pretokenizers").each([&](const JsonField& inner) {
      if (byte_level) inner.refuse("is a step behind ByteLevel");
      byte_level = read_pre_tokenizer(inner, steps);
    });
    return byte_level;
  }
  if (type == "ByteLevel") {
    read_byte_level(node, steps);
    return true;
  }
  if (type == "Split") {
    read_split(node, steps);
  } else if (type == "Digits") {
    steps.push_back(regex_step(node.truth("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)", Behavior::kIsolated));
  } else if (type == "Metaspace") {
    steps.push_back(read_metaspace(node));
  } else if (type == "WhitespaceSplit") {
    PreTokenizerStep step;
    step.kind = PreTokenizerStep::Kind::kWhitespaceSplit;
    steps.push_back(step);
  } else if (type == "Whitespace") {
    steps.push_back(regex_step("[" REGROUP_RUST_WORD "]+|[^" REGROUP_RUST_WORD R"(\s]+)", Behavior::kRemoved));
    steps.back().invert = true;
  } else if (type == "Punctuation") {
    const auto behavior = node.find("behavior");
    steps.push_back(regex_step(R"([\p{P}\x{21}-\x{2f}\x{3a}-\x{40}\x{5b}-\x{60}\x{7b}-\x{7e}])",
                               behavior ? read_behavior(*behavior) : Behavior::kIsolated));
  } else {
    refuse_value(type_field);
  }
  return false;
}

bool read_post_processor(const JsonField& node, TokenizerSpec& spec) {
  const JsonField type_field = node.at("type");
  const std::string& type = type_field.text();
  if (type == "Sequence") {
    bool settled = false;
    node.at("processors").each([&](const JsonField& inner) { settled = read_post_processor(inner, spec) || settled; });
    return settled;
  }
  if (type == "ByteLevel") return false;
  if (type == "TemplateProcessing") {
    read_template(node, spec);
    return true;
  }
  if (type == "RobertaProcessing" || type == "BertProcessing") {
    spec.prefix.push_back(node.at("cls").element(1).id());
    spec.suffix.push_back(node.at("sep").element(1).id());
    return true;
  }
  refuse_value(type_field);
}

bool strips_leading_space(const JsonField& decoder) {
  // What the others do follows from the model: bytes are joined, spaces and byte tokens turned back.
  static constexpr std::string_view kKnown[] = {"Sequence", "Strip", "Metaspace",   "ByteLevel",
                                                "Replace",  "Fuse",  "ByteFallback"};
  const JsonField type_field = decoder.at("type");
  const std::string& type = type_field.text();
  if (std::find(std::begin(kKnown), std::end(kKnown), type) == std::end(kKnown)) refuse_value(type_field);
  if (type == "Sequence") {
    bool strips = false;
    decoder.at("decoders").each([&](const JsonField& inner) { strips = strips_leading_space(inner) || strips; });
    return strips;
  }
  if (type == "Strip") {
    const auto start = decoder.find("start");
    return decoder.text("content", "") == " " && start && start->number() > 0;
  }
  if (type == "Metaspace") return prepend_scheme(decoder) != "never";
  return false;
}

}  // namespace regroup
