#include "runtime/text/tokenizer_json.h"

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/core/json_checked.h"
#include "runtime/text/added_token_files.h"
#include "runtime/text/json_field.h"
#include "runtime/text/token_table.h"
#include "runtime/text/tokenizer_json_steps.h"

namespace regroup {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxTokens = std::size_t{4} << 20;

// `at` gives the field to blame: large lists have no path made for every entry.
template <typename At>
void put_token(TokenizerSpec& spec, std::uint64_t id, const std::string& text, const At& at) {
  if (id >= kMaxTokens)
    at().refuse(fmt::format("(\"{}\") has the id {}, at most {} are supported", escaped(text, 60), id, kMaxTokens));
  if (spec.tokens.size() <= id) spec.tokens.resize(id + 1);
  if (!spec.tokens[id].empty()) {
    at().refuse(fmt::format("says that token {} is \"{}\", which is \"{}\" already", id, escaped(text, 60),
                            escaped(spec.tokens[id], 60)));
  }
  spec.tokens[id] = text;
}

template <typename At>
std::uint32_t id_of(const TokenTable& table, std::string_view text, const At& at) {
  const auto found = table.find(text);
  if (!found) at().refuse(fmt::format("names \"{}\", which is no token", escaped(text, 60)));
  return *found;
}

// A merge is ["left", "right"], or "left right" in older files.
template <typename At>
std::pair<std::string_view, std::string_view> merge_parts(const Json& merge, const At& at) {
  if (merge.is_array()) {
    if (merge.size() != 2) at().refuse(fmt::format("has {} parts, expected two parts", merge.size()));
    if (merge[0].is_string() && merge[1].is_string()) {
      return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
    }
    const JsonField field = at();
    return {field.element(0).text(), field.element(1).text()};  // throws for the one that is no text
  }
  const std::string_view text = merge.is_string() ? merge.get_ref<const std::string&>() : at().text();
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
    at().refuse(fmt::format("is \"{}\", which does not have two parts", escaped(text, 60)));
  }
  return {text.substr(0, space), text.substr(space + 1)};
}

void refuse_affix(const JsonField& model, const char* name) {
  const auto field = model.find_set(name);
  if (field && !field->text().empty()) field->refuse("is set, which is not supported");
}

void read_merges(const JsonField& list, TokenizerSpec& spec) {
  const TokenTable table(spec.tokens);
  std::string merged;
  for (std::size_t i = 0, count = list.size(); i < count; ++i) {
    const auto at = [&] { return list.element(i); };
    const auto [left, right] = merge_parts(list.value()[i], at);
    merged.assign(left).append(right);
    spec.merges.push_back({id_of(table, left, at), id_of(table, right, at), id_of(table, merged, at)});
  }
}

void read_bpe(const JsonField& model, bool byte_level, TokenizerSpec& spec) {
  spec.model = byte_level ? TokenizerSpec::Model::kByteLevelBpe : TokenizerSpec::Model::kCharacterBpe;
  spec.ignore_merges = model.truth("ignore_merges", false);
  spec.byte_fallback = model.truth("byte_fallback", false) && !byte_level;
  spec.fuse_unknown = model.truth("fuse_unk", false);
  if (const auto dropout = model.find_set("dropout")) (void)dropout->number();
  refuse_affix(model, "continuing_subword_prefix");
  refuse_affix(model, "end_of_word_suffix");
  const JsonField vocab = model.at("vocab");
  vocab.require_object();
  for (auto entry = vocab.value().begin(); entry != vocab.value().end(); ++entry) {
    const auto at = [&] { return vocab.at(entry.key()); };
    const std::uint32_t id = is_whole_number(*entry, UINT32_MAX) ? entry->get<std::uint32_t>() : at().id();
    put_token(spec, id, entry.key(), at);
  }
  read_merges(model.at("merges"), spec);
  if (const auto unk = model.find_set("unk_token")) {
    spec.unk = id_of(TokenTable(spec.tokens), unk->text(), [&] { return *unk; });
  }
}

void read_unigram(const JsonField& model, TokenizerSpec& spec) {
  spec.model = TokenizerSpec::Model::kUnigram;
  spec.byte_fallback = model.truth("byte_fallback", false);
  spec.fuse_unknown = true;
  std::uint64_t id = 0;
  model.at("vocab").each([&](const JsonField& entry) {
    put_token(spec, id++, entry.element(0).text(), [&] { return entry; });
    spec.scores.push_back(entry.element(1).number());
  });
  if (const auto unk = model.find_set("unk_id")) spec.unk = unk->id();
}

void read_model(const JsonField& model, bool byte_level, TokenizerSpec& spec) {
  std::string type = model.text("type", "");
  if (type.empty() && model.find("merges")) type = "BPE";  // files from before the field existed
  if (type == "BPE") {
    read_bpe(model, byte_level, spec);
  } else if (type == "Unigram") {
    if (byte_level) model.refuse("is a unigram model over bytes");
    read_unigram(model, spec);
  } else {
    model.at("type").refuse(fmt::format("is \"{}\", which is not supported", escaped(type, 60)));
  }
  spec.types.assign(spec.tokens.size(), TokenType::kNormal);
}

void read_added_tokens(const JsonField& list, const JsonField& vocab, TokenizerSpec& spec) {
  list.each([&](const JsonField& entry) {
    AddedToken token = read_added_token(entry);
    const std::uint32_t id = entry.at("id").id();
    if (token.text.empty()) return;
    if (const auto known = vocab.is_object() ? vocab.find(token.text) : std::nullopt) {
      token.id = known->id();
    } else {
      if (id >= spec.tokens.size() || spec.tokens[id] != token.text) {
        put_token(spec, id, token.text, [&] { return entry; });
      }
      token.id = id;
    }
    spec.types.resize(spec.tokens.size(), TokenType::kUnused);
    if (!spec.scores.empty()) spec.scores.resize(spec.tokens.size(), 0.0);
    spec.types[token.id] = token.special ? TokenType::kControl : TokenType::kUserDefined;
    spec.added.push_back(std::move(token));
  });
}

}  // namespace

TokenizerJson read_tokenizer_json(std::string_view text) {
  constexpr std::string_view kFile = "tokenizer.json";
  const Json document = parse_json_checked(text, kFile);
  const JsonField root(document, kFile);
  TokenizerJson result;
  TokenizerSpec& spec = result.spec;
  if (const auto steps = root.find_set("normalizer")) read_normalizer(*steps, spec.normalizer);
  bool byte_level = false;
  if (const auto steps = root.find_set("pre_tokenizer")) byte_level = read_pre_tokenizer(*steps, spec.pre_tokenizer);
  const JsonField model = root.at("model");
  read_model(model, byte_level, spec);
  if (const auto list = root.find_set("added_tokens")) read_added_tokens(*list, model.at("vocab"), spec);
  if (const auto post = root.find_set("post_processor")) result.has_post_processor = read_post_processor(*post, spec);
  if (const auto decoder = root.find_set("decoder")) spec.strips_leading_space = strips_leading_space(*decoder);
  return result;
}

}  // namespace regroup
