#include "runtime/text/hugging_face.h"

#include <algorithm>
#include <optional>
#include <string>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/core/json_checked.h"
#include "runtime/text/added_token_files.h"
#include "runtime/text/end_of_generation.h"
#include "runtime/text/json_field.h"
#include "runtime/text/sentencepiece_model.h"
#include "runtime/text/tokenizer_json.h"

namespace regroup {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kTokenizerConfig = "tokenizer_config.json", kGenerationConfig = "generation_config.json",
                           kAddedTokens = "added_tokens.json";
// The longest real ones list some 6000 added tokens of seven fields each.
constexpr std::size_t kMaxConfigValues = std::size_t{1} << 20;

std::optional<std::uint32_t> find_token(const TokenizerSpec& spec, const std::string& text) {
  const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), text);
  if (text.empty() || found == spec.tokens.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - spec.tokens.begin());
}

// "bos_token" is a text, or an object with the text as "content", or null.
void read_named_token(const JsonField& config, std::string_view name, const TokenizerSpec& spec,
                      std::optional<std::uint32_t>& id) {
  const auto field = config.find_set(name);
  if (!field) return;
  const std::string& text = field->is_object() ? field->at("content").text() : field->text();
  if (const auto found = find_token(spec, text)) id = found;
}

// One template, or a list of named ones of which "default" is the one for chats.
std::string read_chat_template(const JsonField& config) {
  const auto field = config.find_set("chat_template");
  if (!field) return {};
  if (field->is_text()) return field->text();
  if (!field->is_list()) field->refuse("is neither a text nor a list of named ones");
  std::string found;
  field->each([&](const JsonField& entry) {
    const std::string& text = entry.at("template").text();
    if (entry.at("name").text() == "default") found = text;
  });
  return found;
}

void add_generation_ends(const JsonField& config, TokenizerSpec& spec) {
  const auto field = config.find_set("eos_token_id");
  if (!field) return;
  const auto add = [&](const JsonField& id) {
    if (id.id() < spec.tokens.size()) spec.end_of_generation.push_back(id.id());
  };
  if (field->is_list()) {
    field->each(add);
  } else {
    add(*field);
  }
}

bool flag(const JsonField& config, const char* name, bool otherwise) {
  const auto field = config.find_set(name);
  return field ? field->truth() : otherwise;
}

Json parse_or_empty(std::string_view text, std::string_view name) {
  return text.empty() ? Json::object() : parse_json_checked(text, name, kMaxJsonBytes, kMaxConfigValues);
}

}  // namespace

TokenizerSpec spec_from_hugging_face(const HuggingFaceTexts& texts) {
  TokenizerSpec spec;
  bool settled = false;  // whether BOS and EOS are put around a text
  bool add_bos = false, add_eos = false;
  if (!texts.tokenizer_json.empty()) {
    TokenizerJson json = read_tokenizer_json(texts.tokenizer_json);
    spec = std::move(json.spec);
    settled = json.has_post_processor;
  } else if (!texts.sentencepiece_model.empty()) {
    spec = read_sentencepiece_model(texts.sentencepiece_model);
    add_bos = spec.model == TokenizerSpec::Model::kSentencePiece;  // as Llama's tokenizer does by default
    add_eos = spec.model == TokenizerSpec::Model::kUnigram;        // as T5's
  } else {
    throw_error(ErrorCode::kBadModel,
                "the model has neither tokenizer.json nor tokenizer.model; fetch one of them, or use --tokens");
  }
  const Json config_document = parse_or_empty(texts.tokenizer_config_json, kTokenizerConfig);
  const Json generation_document = parse_or_empty(texts.generation_config_json, kGenerationConfig);
  const Json added_document = parse_or_empty(texts.added_tokens_json, kAddedTokens);
  const JsonField config(config_document, kTokenizerConfig);
  const bool pieces = texts.tokenizer_json.empty();
  merge_added_tokens(pieces ? TokenFile::kSentencePieceModel : TokenFile::kTokenizerJson, config,
                     JsonField(added_document, kAddedTokens), spec);
  if (pieces && spec.model == TokenizerSpec::Model::kSentencePiece) {
    // "legacy": every part between two special tokens gets a prefix; else only the text's beginning, as transformers
    // 5 and SentencePiece itself have it.
    spec.normalizer.back().prefix_first_only = !flag(config, "legacy", false);
  }
  read_named_token(config, "bos_token", spec, spec.bos);
  read_named_token(config, "eos_token", spec, spec.eos);
  for (const std::string_view name : {"unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    std::optional<std::uint32_t> id;
    read_named_token(config, name, spec, id);
    if (!id) continue;
    spec.named_tokens.emplace_back(name, *id);
    if (name == "pad_token") spec.pad = id;
  }
  // As in transformers, the file of its own comes before the field.
  spec.chat_template = texts.chat_template.empty() ? read_chat_template(config) : std::string(texts.chat_template);
  if (!settled) {
    if (flag(config, "add_bos_token", add_bos) && spec.bos) spec.prefix.push_back(*spec.bos);
    if (flag(config, "add_eos_token", add_eos) && spec.eos) spec.suffix.push_back(*spec.eos);
  }
  if (!spec.bos && spec.prefix.size() == 1) spec.bos = spec.prefix.front();
  spec.end_of_generation = end_tokens_by_name(spec);
  if (spec.eos) spec.end_of_generation.push_back(*spec.eos);
  add_generation_ends(JsonField(generation_document, kGenerationConfig), spec);
  return spec;
}

}  // namespace regroup
