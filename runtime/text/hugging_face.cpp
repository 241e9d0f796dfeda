#include "runtime/text/hugging_face.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "runtime/core/error.h"
#include "runtime/core/json_checked.h"
#include "runtime/text/end_of_generation.h"
#include "runtime/text/sentencepiece_model.h"
#include "runtime/text/tokenizer_json.h"

namespace regroup {
namespace {

using Json = nlohmann::json;

std::optional<std::uint32_t> find_token(const TokenizerSpec& spec, const std::string& text) {
  const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), text);
  if (text.empty() || found == spec.tokens.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - spec.tokens.begin());
}

// "bos_token" is a text, or an object with the text as "content", or null.
void read_named_token(const Json& config, const char* field, const TokenizerSpec& spec,
                      std::optional<std::uint32_t>& id) {
  const auto node = config.find(field);
  if (node == config.end() || node->is_null()) return;
  const Json& text = node->is_object() ? node->at("content") : *node;
  if (const auto found = find_token(spec, text.get<std::string>())) id = found;
}

// One template, or a list of named ones of which "default" is the one for chats.
std::string read_chat_template(const Json& config) {
  const auto node = config.find("chat_template");
  if (node == config.end() || node->is_null()) return {};
  if (node->is_string()) return node->get<std::string>();
  for (const Json& entry : *node) {
    if (entry.at("name").get<std::string>() == "default") return entry.at("template").get<std::string>();
  }
  return {};
}

void add_generation_ends(const Json& config, TokenizerSpec& spec) {
  const auto node = config.find("eos_token_id");
  if (node == config.end() || node->is_null()) return;
  const auto add = [&](const Json& id) {
    if (!is_whole_number(id, UINT32_MAX)) {
      throw_error(
          ErrorCode::kBadModel,
          "generation_config.json: eos_token_id is {}, not a token's id or a list of them; fetch the file again",
          escaped(node->dump(-1, ' ', true, Json::error_handler_t::replace), 60));
    }
    if (id.get<std::uint64_t>() < spec.tokens.size()) spec.end_of_generation.push_back(id.get<std::uint32_t>());
  };
  if (node->is_array()) {
    for (const Json& id : *node) add(id);
  } else {
    add(*node);
  }
}

bool flag(const Json& config, const char* field, bool otherwise) {
  const auto node = config.find(field);
  return node == config.end() || node->is_null() ? otherwise : node->get<bool>();
}

Json parse_or_empty(std::string_view text, const char* name) {
  Json json = text.empty() ? Json::object() : parse_json_checked(text, name);
  if (!json.is_object()) throw_error(ErrorCode::kBadModel, "{}: not a JSON object; fetch the file again", name);
  return json;
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
  const Json config = parse_or_empty(texts.tokenizer_config_json, "tokenizer_config.json");
  const Json generation = parse_or_empty(texts.generation_config_json, "generation_config.json");
  try {
    read_named_token(config, "bos_token", spec, spec.bos);
    read_named_token(config, "eos_token", spec, spec.eos);
    read_named_token(config, "pad_token", spec, spec.pad);
    spec.chat_template = read_chat_template(config);
    if (!settled) {
      if (flag(config, "add_bos_token", add_bos) && spec.bos) spec.prefix.push_back(*spec.bos);
      if (flag(config, "add_eos_token", add_eos) && spec.eos) spec.suffix.push_back(*spec.eos);
    }
    if (!spec.bos && spec.prefix.size() == 1) spec.bos = spec.prefix.front();
    spec.end_of_generation = end_tokens_by_name(spec);
    if (spec.eos) spec.end_of_generation.push_back(*spec.eos);
    add_generation_ends(generation, spec);
  } catch (const Json::exception& error) {
    throw_error(ErrorCode::kBadModel, "tokenizer_config.json: {}; fetch the file again", escaped(error.what()));
  }
  return spec;
}

}  // namespace regroup
