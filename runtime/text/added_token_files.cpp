#include "runtime/text/added_token_files.h"

#include <charconv>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/text/space_symbol.h"
#include "runtime/text/token_table.h"

namespace regroup {
namespace {

constexpr std::size_t kMaxTokens = std::size_t{1} << 19;  // no embedding has more rows

class Merge {
 public:
  Merge(TokenFile from, TokenizerSpec& spec) : from_(from), spec_(&spec), table_(spec.tokens) {
    for (std::size_t i = 0; i < spec.added.size(); ++i) added_.emplace(spec.added[i].id, i);
  }

  // Whether the token file itself says what stands at `id` or where `text` stands.
  bool is_known(const std::string& text, std::uint32_t id) const { return find(text) || !text_at(id).empty(); }

  void put(AddedToken token, std::uint32_t id, const JsonField& entry) {
    if (token.text.empty()) return;
    if (id >= kMaxTokens) entry.refuse(fmt::format("has the id {}, at most {} are supported", id, kMaxTokens));
    if (const auto known = find(token.text)) {
      if (*known != id) {
        entry.refuse(fmt::format("says that token {} is \"{}\", which is token {} already", id, escaped(token.text, 60),
                                 *known));
      }
    } else {
      spell(id, token.text, entry);
    }
    said_.insert(id);
    token.id = id;
    // Matched in the text as it stands: the prefix of what lies between two of them is put there afterwards.
    if (from_ == TokenFile::kSentencePieceModel) token.normalized = false;
    const auto [there, is_new] = added_.emplace(id, spec_->added.size());
    if (is_new) {
      spec_->added.push_back(std::move(token));
    } else {
      AddedToken& old = spec_->added[there->second];
      token.text = old.text;  // a piece may be spelled with plain spaces there
      token.special = token.special || old.special;
      old = std::move(token);
    }
    TokenType& type = spec_->types[id];
    if (type == TokenType::kUnknown) return;
    type = spec_->added[there->second].special ? TokenType::kControl : TokenType::kUserDefined;
  }

 private:
  std::string_view text_at(std::uint32_t id) const {
    return id < spec_->tokens.size() ? std::string_view(spec_->tokens[id]) : std::string_view();
  }

  std::optional<std::uint32_t> find(const std::string& text) const {
    if (const auto found = fresh_.find(text); found != fresh_.end()) return found->second;
    return table_.find(text);
  }

  void spell(std::uint32_t id, const std::string& text, const JsonField& entry) {
    if (const std::string_view there = text_at(id); !there.empty()) {
      if (with_plain_spaces(there) == text) return;
      // Finetunes give the unused pieces of a tokenizer.model, which they cannot change, names of their own.
      const bool renames = from_ == TokenFile::kSentencePieceModel && !said_.contains(id) &&
                           spec_->types[id] != TokenType::kByte && spec_->types[id] != TokenType::kUnknown;
      if (!renames) {
        entry.refuse(fmt::format("says that token {} is \"{}\", which is \"{}\" already", id, escaped(text, 60),
                                 escaped(there, 60)));
      }
      if (const auto old = added_.find(id); old != added_.end()) spec_->added[old->second].text = text;
    }
    if (id >= spec_->tokens.size()) {
      spec_->tokens.resize(id + std::size_t{1});
      spec_->types.resize(spec_->tokens.size(), TokenType::kUnused);
      if (!spec_->scores.empty()) spec_->scores.resize(spec_->tokens.size(), 0.0);
    }
    spec_->tokens[id] = text;
    fresh_.emplace(text, id);
  }

  TokenFile from_;
  TokenizerSpec* spec_;
  TokenTable table_;                                      // does not find a token that has been renamed since
  std::unordered_map<std::string, std::uint32_t> fresh_;  // names given here
  std::unordered_map<std::uint32_t, std::size_t> added_;  // by id, places in spec_->added
  std::unordered_set<std::uint32_t> said_;                // ids that an entry has been about
};

std::uint32_t id_from_key(const std::string& key, const JsonField& entry) {
  std::uint32_t id = 0;
  const char* const end = key.data() + key.size();
  const auto [behind, error] = std::from_chars(key.data(), end, id);
  if (error != std::errc() || behind != end || (key.size() > 1 && key[0] == '0')) {
    entry.refuse("does not have a token's id for its name");
  }
  return id;
}

// The texts of the tokens that tokenizer_config.json names: those are special whatever their entries say.
std::unordered_set<std::string> named_tokens(const JsonField& config) {
  std::unordered_set<std::string> names;
  const auto take = [&](const nlohmann::json& token) {
    const nlohmann::json* text = &token;
    if (token.is_object()) {
      const auto content = token.find("content");
      if (content == token.end()) return;
      text = &*content;
    }
    if (text->is_string()) names.insert(text->get<std::string>());
  };
  for (const char* one : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    if (const auto field = config.find(one)) take(field->value());
  }
  for (const char* list : {"additional_special_tokens", "extra_special_tokens"}) {
    const auto field = config.find(list);
    if (!field || !(field->is_list() || field->is_object())) continue;
    for (const nlohmann::json& token : field->value()) take(token);
  }
  return names;
}

}  // namespace

AddedToken read_added_token(const JsonField& entry) {
  AddedToken token;
  token.text = entry.at("content").text();
  token.special = entry.truth("special", false);
  token.left_strip = entry.truth("lstrip", false);
  token.right_strip = entry.truth("rstrip", false);
  token.single_word = entry.truth("single_word", false);
  token.normalized = entry.truth("normalized", !token.special);
  return token;
}

void merge_added_tokens(TokenFile from, const JsonField& config, const JsonField& added, TokenizerSpec& spec) {
  const auto decoder = config.find_set("added_tokens_decoder");
  const JsonField& list = decoder ? *decoder : added;  // as in transformers, the field makes the file count for nothing
  list.require_object();
  if (list.value().empty()) return;
  const std::unordered_set<std::string> named = named_tokens(config);
  Merge merge(from, spec);
  for (auto item = list.value().begin(); item != list.value().end(); ++item) {
    const JsonField entry = list.at(item.key());
    if (decoder) {
      AddedToken token = read_added_token(entry);
      token.special = token.special || named.contains(token.text);
      merge.put(std::move(token), id_from_key(item.key(), entry), entry);
      continue;
    }
    AddedToken token;
    token.text = item.key();
    token.special = named.contains(token.text);
    token.normalized = !token.special;
    const std::uint32_t id = entry.id();
    // tokenizer.json is newer than this file where a directory has both, and has the flags.
    if (from == TokenFile::kTokenizerJson && merge.is_known(token.text, id)) continue;
    merge.put(std::move(token), id, entry);
  }
}

}  // namespace regroup
