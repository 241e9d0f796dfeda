#include "runtime/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include "runtime/core/error.h"
#include "runtime/core/json_checked.h"
#include "runtime/text/token_table.h"
#include "runtime/text/tokenizer_json_steps.h"

namespace regroup {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxTokens = std::size_t{4} << 20;

[[noreturn]] void refuse(const std::string& what) {
  throw_error(ErrorCode::kBadModel, "tokenizer.json: {}; this tokenizer is damaged or not supported", what);
}

void put_token(TokenizerSpec& spec, std::uint64_t id, const std::string& text) {
  if (id >= kMaxTokens)
    refuse(fmt::format("token \"{}\" has the id {}, at most {} are supported", escaped(text), id, kMaxTokens));
  if (spec.tokens.size() <= id) spec.tokens.resize(id + 1);
  if (!spec.tokens[id].empty())
    refuse(fmt::format("token {} is both \"{}\" and \"{}\"", id, escaped(spec.tokens[id]), escaped(text)));
  spec.tokens[id] = text;
}

std::uint32_t id_of(const TokenTable& table, std::string_view text) {
  const auto found = table.find(text);
  if (!found) refuse(fmt::format("a merge or special token names \"{}\", which is no token", escaped(text)));
  return *found;
}

// A merge is ["left", "right"], or "left right" in older files.
std::pair<std::string_view, std::string_view> merge_parts(const Json& merge) {
  if (merge.is_array()) {
    if (merge.size() != 2) refuse("a merge does not have two parts");
    return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
  }
  const std::string_view text = merge.get_ref<const std::string&>();
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
    refuse(fmt::format("merge \"{}\" does not have two parts", escaped(text)));
  }
  return {text.substr(0, space), text.substr(space + 1)};
}

void refuse_text(const Json& model, const char* field) {
  const auto found = model.find(field);
  if (found != model.end() && found->is_string() && !found->get_ref<const std::string&>().empty()) {
    refuse(fmt::format("model.{} is set", field));
  }
}

void read_bpe(const Json& model, bool byte_level, TokenizerSpec& spec) {
  spec.model = byte_level ? TokenizerSpec::Model::kByteLevelBpe : TokenizerSpec::Model::kCharacterBpe;
  spec.ignore_merges = model.value("ignore_merges", false);
  spec.byte_fallback = model.value("byte_fallback", false) && !byte_level;
  spec.fuse_unknown = model.value("fuse_unk", false);
  refuse_text(model, "continuing_subword_prefix");
  refuse_text(model, "end_of_word_suffix");
  const Json& vocab = model.at("vocab");
  for (const auto& [text, id] : vocab.items()) put_token(spec, token_id(id), text);
  const TokenTable table(spec.tokens);
  std::string merged;
  for (const Json& merge : model.at("merges")) {
    const auto [left, right] = merge_parts(merge);
    merged.assign(left).append(right);
    spec.merges.push_back({id_of(table, left), id_of(table, right), id_of(table, merged)});
  }
  const auto unk = model.find("unk_token");
  if (unk == model.end() || unk->is_null()) return;
  if (!unk->is_string()) refuse("model.unk_token is no text");
  spec.unk = id_of(table, unk->get_ref<const std::string&>());
}

void read_unigram(const Json& model, TokenizerSpec& spec) {
  spec.model = TokenizerSpec::Model::kUnigram;
  spec.byte_fallback = model.value("byte_fallback", false);
  spec.fuse_unknown = true;
  std::uint64_t id = 0;
  for (const Json& entry : model.at("vocab")) {
    put_token(spec, id++, entry.at(0).get<std::string>());
    spec.scores.push_back(entry.at(1).get<double>());
  }
  const auto unk = model.find("unk_id");
  if (unk != model.end() && !unk->is_null()) spec.unk = token_id(*unk);
}

void read_model(const Json& model, bool byte_level, TokenizerSpec& spec) {
  std::string type = model.value("type", "");
  if (type.empty()) type = model.contains("merges") ? "BPE" : "";  // files from before the field existed
  if (type == "BPE") {
    read_bpe(model, byte_level, spec);
  } else if (type == "Unigram") {
    if (byte_level) refuse("a unigram model over bytes");
    read_unigram(model, spec);
  } else {
    refuse(fmt::format("models of type \"{}\"", escaped(type)));
  }
  spec.types.assign(spec.tokens.size(), TokenType::kNormal);
}

void read_added_tokens(const Json& list, const Json& vocab, TokenizerSpec& spec) {
  for (const Json& entry : list) {
    AddedToken token;
    token.text = entry.at("content").get<std::string>();
    token.special = entry.value("special", false);
    token.left_strip = entry.value("lstrip", false);
    token.right_strip = entry.value("rstrip", false);
    token.single_word = entry.value("single_word", false);
    token.normalized = entry.value("normalized", !token.special);
    if (token.text.empty()) continue;
    const auto known = vocab.is_object() ? vocab.find(token.text) : vocab.end();
    if (vocab.is_object() && known != vocab.end()) {
      token.id = token_id(*known);
    } else {
      const std::uint32_t id = token_id(entry.at("id"));
      if (id >= spec.tokens.size() || spec.tokens[id] != token.text) put_token(spec, id, token.text);
      token.id = id;
    }
    spec.types.resize(spec.tokens.size(), TokenType::kUnused);
    if (!spec.scores.empty()) spec.scores.resize(spec.tokens.size(), 0.0);
    spec.types[token.id] = token.special ? TokenType::kControl : TokenType::kUserDefined;
    spec.added.push_back(std::move(token));
  }
}

TokenizerJson read(const Json& root) {
  TokenizerJson result;
  TokenizerSpec& spec = result.spec;
  if (const auto steps = root.find("normalizer"); steps != root.end()) read_normalizer(*steps, spec.normalizer);
  bool byte_level = false;
  if (const auto steps = root.find("pre_tokenizer"); steps != root.end()) {
    byte_level = read_pre_tokenizer(*steps, spec.pre_tokenizer);
  }
  const Json& model = root.at("model");
  read_model(model, byte_level, spec);
  if (const auto list = root.find("added_tokens"); list != root.end() && !list->is_null()) {
    if (!list->is_array()) refuse("added_tokens is no list");
    read_added_tokens(*list, model.at("vocab"), spec);
  }
  if (const auto post = root.find("post_processor"); post != root.end() && !post->is_null()) {
    result.has_post_processor = read_post_processor(*post, spec);
  }
  if (const auto decoder = root.find("decoder"); decoder != root.end() && !decoder->is_null())
    spec.strips_leading_space = strips_leading_space(*decoder);
  return result;
}

}  // namespace

TokenizerJson read_tokenizer_json(std::string_view text) {
  const Json root = parse_json_checked(text, "tokenizer.json");
  if (!root.is_object()) refuse(fmt::format("is {}, not an object", root.type_name()));
  try {
    return read(root);
  } catch (const Json::exception& error) {
    refuse(escaped(error.what()));
  }
}

}  // namespace regroup
