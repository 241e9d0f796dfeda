#include "converter/checkpoint/tokenizer_to_json.h"

#include <algorithm>
#include <unordered_map>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/core/utf8.h"
#include "runtime/text/gguf_spec.h"
#include "runtime/text/pre_tokenizer_names.h"

namespace regroup {
namespace {

using Json = nlohmann::json;

constexpr const char* kSpaceSymbol = "\xe2\x96\x81";

bool is_space_run(const std::string& token) {
  return token.size() >= 2 && token.find_first_not_of(' ') == std::string::npos;
}

TokenizerSpec readable_spec(const Vocabulary& from, const std::string& file) {
  try {
    return spec_from_vocabulary(from);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kBadModel) throw;
    throw_error(ErrorCode::kBadModel,
                "{}: {}, so that no tokenizer.json can be written; convert to a name ending .gguf, or without a "
                "tokenizer by --no-tokenizer",
                file, error.what());
  }
}

class TokenizerJsonWriter {
 public:
  TokenizerJsonWriter(const Vocabulary& from, const std::string& file)
      : from_(from), spec_(readable_spec(from, file)), file_(file), tokens_(from.tokens) {
    types_ = from.types;
    types_.resize(tokens_.size(), TokenType::kNormal);
    scores_.assign(from.scores.begin(), from.scores.end());
    scores_.resize(tokens_.size(), 0.0);
    if (from.kind == VocabularyKind::kUnigram) {
      throw_error(ErrorCode::kBadModel, "{}: a unigram tokenizer, which is not written to directories", file);
    }
    if (from.kind == VocabularyKind::kSentencePiece && !from.add_space_prefix.value_or(true)) respell_space_runs();
  }

  Json run() {
    const bool byte_level = from_.kind == VocabularyKind::kByteLevelBpe;
    return {{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", added_tokens()},
            {"normalizer", byte_level ? byte_level_normalizer() : spaces()},
            {"pre_tokenizer", byte_level ? words() : Json(nullptr)},
            {"post_processor", template_processing(byte_level)},
            {"decoder", byte_level ? byte_level_step() : sentencepiece_decoder()},
            {"model", model(byte_level)}};
  }

  const TokenizerSpec& spec() const { return spec_; }

 private:
  // Gemma's tokens for runs of spaces are ordinary pieces in tokenizer.json, joined before everything else.
  void respell_space_runs() {
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (types_[id] != TokenType::kUserDefined || !is_space_run(tokens_[id])) continue;
      std::string spelled;
      for (std::size_t i = 0; i < tokens_[id].size(); ++i) spelled += kSpaceSymbol;
      tokens_[id] = spelled;
      types_[id] = TokenType::kNormal;
      scores_[id] = 1e9 - static_cast<double>(id);
    }
  }

  bool is_added(std::size_t id) const {
    return types_[id] == TokenType::kControl || types_[id] == TokenType::kUserDefined ||
           types_[id] == TokenType::kUnknown;
  }

  Json added_tokens() const {
    Json list = Json::array();
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (!is_added(id)) continue;
      list.push_back({{"id", id},
                      {"content", tokens_[id]},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", types_[id] != TokenType::kUserDefined}});
    }
    return list;
  }

  Json byte_level_normalizer() const {
    return composes_text(from_.pre_tokenizer) ? Json{{"type", "NFC"}} : Json(nullptr);
  }

  static Json replace(const char* pattern, const char* content) {
    return {{"type", "Replace"}, {"pattern", {{"String", pattern}}}, {"content", content}};
  }

  Json spaces() const {
    if (!spec_.strips_leading_space) return replace(" ", kSpaceSymbol);
    return {{"type", "Sequence"},
            {"normalizers", {{{"type", "Prepend"}, {"prepend", kSpaceSymbol}}, replace(" ", kSpaceSymbol)}}};
  }

  static Json byte_level_step() {
    return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}};
  }

  Json words() const {
    Json steps = Json::array();
    for (const PreTokenizerStep& step : spec_.pre_tokenizer) {
      steps.push_back(
          {{"type", "Split"}, {"pattern", {{"Regex", step.pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
    }
    steps.push_back(byte_level_step());
    return {{"type", "Sequence"}, {"pretokenizers", steps}};
  }

  Json sentencepiece_decoder() const {
    Json steps = {replace(kSpaceSymbol, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
    if (spec_.strips_leading_space) {
      steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    return {{"type", "Sequence"}, {"decoders", steps}};
  }

  Json template_processing(bool byte_level) const {
    if (spec_.prefix.empty() && spec_.suffix.empty()) return byte_level ? byte_level_step() : Json(nullptr);
    Json specials = Json::object();
    const auto special = [&](std::uint32_t id, int part) -> Json {
      specials[tokens_[id]] = {{"id", tokens_[id]}, {"ids", {id}}, {"tokens", {tokens_[id]}}};
      return {{"SpecialToken", {{"id", tokens_[id]}, {"type_id", part}}}};
    };
    const auto sequence = [](const char* name, int part) -> Json {
      return {{"Sequence", {{"id", name}, {"type_id", part}}}};
    };
    Json single = Json::array(), pair = Json::array();
    for (int part = 0; part < 2; ++part) {
      for (Json* list : {&single, &pair}) {
        if (list == &single && part == 1) continue;
        for (const std::uint32_t id : spec_.prefix) list->push_back(special(id, part));
        list->push_back(sequence(part == 0 ? "A" : "B", part));
        for (const std::uint32_t id : spec_.suffix) list->push_back(special(id, part));
      }
    }
    return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", specials}};
  }

  Json model(bool byte_level) {
    Json vocab = Json::object();
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (replace_invalid_utf8(tokens_[id]) != tokens_[id]) {
        throw_error(ErrorCode::kBadModel, "{}: token {} is not valid UTF-8, which tokenizer.json cannot hold", file_,
                    id);
      }
      ids_.emplace(tokens_[id], id);
    }
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (ids_.at(tokens_[id]) == id) vocab[tokens_[id]] = id;
    }
    Json merges = byte_level ? ranked_merges() : scored_merges();
    const bool has_unknown = !byte_level && spec_.unk;
    return {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", has_unknown ? Json(tokens_[*spec_.unk]) : Json(nullptr)},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", !byte_level},
            {"byte_fallback", !byte_level},
            {"ignore_merges", spec_.ignore_merges},
            {"vocab", std::move(vocab)},
            {"merges", std::move(merges)}};
  }

  Json ranked_merges() const {
    Json merges = Json::array();
    for (const std::string& merge : from_.merges) {
      const std::size_t space = merge.find(' ', 1);
      const std::string left = merge.substr(0, space), right = merge.substr(space + 1);
      // A rule that names no token would make the tokenizers library refuse the file.
      if (!ids_.contains(left) || !ids_.contains(right) || !ids_.contains(left + right)) continue;
      merges.push_back(Json::array({left, right}));
    }
    return merges;
  }

  // SentencePiece joins the neighbours whose piece has the best score: every way to split a piece in two is a rule, in
  // the order of the pieces' scores, of equals the piece with the smaller id first.
  Json scored_merges() const {
    std::vector<std::size_t> order;
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (types_[id] == TokenType::kNormal && ids_.at(tokens_[id]) == id) order.push_back(id);
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores_[a] > scores_[b]; });
    const auto piece = [&](std::string_view text) -> std::optional<std::size_t> {
      const auto found = ids_.find(std::string(text));
      if (found == ids_.end() || types_[found->second] != TokenType::kNormal) return std::nullopt;
      return found->second;
    };
    Json merges = Json::array();
    for (const std::size_t id : order) {
      const std::string_view text = tokens_[id];
      std::vector<std::pair<std::size_t, std::size_t>> splits;
      for (std::size_t at = 1; at < text.size(); ++at) {
        if ((static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) continue;  // inside a character
        const auto left = piece(text.substr(0, at)), right = piece(text.substr(at));
        if (left && right) splits.emplace_back(*left, *right);
      }
      std::sort(splits.begin(), splits.end());
      for (const auto& [left, right] : splits) merges.push_back(Json::array({tokens_[left], tokens_[right]}));
    }
    return merges;
  }

  const Vocabulary& from_;
  TokenizerSpec spec_;
  const std::string& file_;
  std::vector<std::string> tokens_;
  std::vector<TokenType> types_;
  std::vector<double> scores_;
  std::unordered_map<std::string, std::size_t> ids_;
};

}  // namespace

std::map<std::string, std::string> tokenizer_json_files(const Vocabulary& vocabulary, const ModelConfig& config,
                                                        const std::string& file) {
  TokenizerJsonWriter writer(vocabulary, file);
  const TokenizerSpec& spec = writer.spec();
  Json settings{{"tokenizer_class", "PreTrainedTokenizerFast"},
                {"model_max_length", config.context_length},
                {"clean_up_tokenization_spaces", false}};
  const auto name = [&](const char* key, std::optional<std::uint32_t> id) {
    if (id) settings[key] = vocabulary.tokens[*id];
  };
  name("bos_token", spec.bos);
  name("eos_token", spec.eos);
  name("unk_token", spec.unk);
  name("pad_token", spec.pad);
  if (!vocabulary.chat_template.empty()) settings["chat_template"] = vocabulary.chat_template;

  Json generation = Json::object();
  if (spec.bos) generation["bos_token_id"] = *spec.bos;
  std::vector<std::uint32_t> ends = spec.end_of_generation;
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  if (ends.size() == 1) generation["eos_token_id"] = ends[0];
  if (ends.size() > 1) generation["eos_token_id"] = ends;

  const auto text = [](const Json& json) { return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"; };
  return {{"tokenizer.json", text(writer.run())},
          {"tokenizer_config.json", text(settings)},
          {"generation_config.json", text(generation)}};
}

}  // namespace regroup
