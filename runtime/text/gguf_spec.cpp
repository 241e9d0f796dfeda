#include "runtime/text/gguf_spec.h"

#include "runtime/core/error.h"
#include "runtime/text/end_of_generation.h"
#include "runtime/text/pre_tokenizer_names.h"
#include "runtime/text/space_symbol.h"
#include "runtime/text/token_table.h"

namespace regroup {
namespace {

// The special ids that files of each kind may leave out because SentencePiece has always had them there.
void set_special_ids(TokenizerSpec& spec, const Vocabulary& from) {
  spec.bos = from.bos;
  spec.eos = from.eos;
  spec.unk = from.unk;
  spec.pad = from.pad;
  const auto usual = [&](std::optional<std::uint32_t>& id, std::uint32_t value) {
    if (!id && value < spec.tokens.size()) id = value;
  };
  if (from.kind == VocabularyKind::kSentencePiece) {
    usual(spec.bos, 1);
    usual(spec.eos, 2);
    usual(spec.unk, 0);
  } else if (from.kind == VocabularyKind::kUnigram) {
    usual(spec.eos, 1);
    usual(spec.unk, 2);
    usual(spec.pad, 0);
  } else {
    spec.unk.reset();  // a byte-level vocabulary spells everything; its "unknown" token is not used when encoding
  }
  const auto unk = spec.unk ? spec.unk : from.unk;
  if (unk && *unk < spec.tokens.size()) spec.named_tokens.emplace_back("unk_token", *unk);
  if (spec.pad) spec.named_tokens.emplace_back("pad_token", *spec.pad);
}

bool is_space_run(const std::string& token) {
  return token.size() >= 2 && token.find_first_not_of(' ') == std::string::npos;
}

// Gemma's tokens for runs of spaces. tokenizer.json joins them by the first merges of all, from pairs upwards; they are
// spelled with U+2581 there. (SentencePiece itself and llama.cpp take the longest run first, which differs for more
// than 31 spaces in a row.)
void respell_space_runs(TokenizerSpec& spec) {
  if (spec.scores.size() != spec.tokens.size()) return;
  constexpr double kAboveAllScores = 1e9;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.types[id] != TokenType::kUserDefined || !is_space_run(spec.tokens[id])) continue;
    std::string spelled;
    for (std::size_t i = 0; i < spec.tokens[id].size(); ++i) spelled += kSpaceSymbol;
    spec.tokens[id] = spelled;
    spec.types[id] = TokenType::kNormal;
    spec.scores[id] = kAboveAllScores - static_cast<double>(id);
    AddedToken literal;  // the symbol itself in a text
    literal.text = spelled;
    literal.id = static_cast<std::uint32_t>(id);
    spec.added.push_back(literal);
  }
}

void set_added_tokens(TokenizerSpec& spec) {
  for (std::size_t id = 0; id < spec.types.size(); ++id) {
    const TokenType type = spec.types[id];
    if (type != TokenType::kControl && type != TokenType::kUserDefined && type != TokenType::kUnknown) continue;
    AddedToken token;
    token.text = spec.tokens[id];
    token.id = static_cast<std::uint32_t>(id);
    token.special = type != TokenType::kUserDefined;
    spec.added.push_back(token);
  }
}

void set_merges(TokenizerSpec& spec, const Vocabulary& from) {
  const TokenTable table(spec.tokens);
  std::size_t skipped = 0;
  for (const std::string& merge : from.merges) {
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string::npos) {
      throw_error(ErrorCode::kBadModel, "tokenizer: merge \"{}\" does not have two parts; the file is damaged",
                  escaped(merge));
    }
    const std::string left = merge.substr(0, space), right = merge.substr(space + 1);
    const auto left_id = table.find(left), right_id = table.find(right), merged_id = table.find(left + right);
    if (left_id && right_id && merged_id) {
      spec.merges.push_back({*left_id, *right_id, *merged_id});
    } else {
      ++skipped;
    }
  }
  if (skipped > 0)
    spec.warning =
        fmt::format("{} of the tokenizer's {} merges name tokens that do not exist", skipped, from.merges.size());
}

void set_byte_level(TokenizerSpec& spec, const Vocabulary& from) {
  spec.model = TokenizerSpec::Model::kByteLevelBpe;
  set_merges(spec, from);
  const std::string name = from.pre_tokenizer.empty() ? "default" : from.pre_tokenizer;
  auto steps = pre_tokenizer_by_name(name);
  if (!steps) {
    // Another one's words in its place would make other tokens without a sign of it.
    throw_error(ErrorCode::kBadModel,
                "key 'tokenizer.ggml.pre' is '{}', a way to split text into words that is not supported",
                escaped(name, 60));
  }
  spec.pre_tokenizer = std::move(*steps);
  if (composes_text(name)) spec.normalizer.emplace_back().kind = NormalizerStep::Kind::kNfc;
}

void set_sentencepiece(TokenizerSpec& spec, const Vocabulary& from) {
  spec.model = TokenizerSpec::Model::kSentencePiece;
  spec.byte_fallback = true;
  spec.strips_leading_space = from.add_space_prefix.value_or(true);
  if (!spec.strips_leading_space) respell_space_runs(spec);
  if (spec.strips_leading_space) {
    NormalizerStep prefix;
    prefix.kind = NormalizerStep::Kind::kPrepend;
    prefix.content = " ";
    spec.normalizer.push_back(prefix);
  }
  NormalizerStep spaces;
  spaces.kind = NormalizerStep::Kind::kReplaceText;
  spaces.pattern = " ";
  spaces.content = kSpaceSymbol;
  spec.normalizer.push_back(spaces);
}

void set_unigram(TokenizerSpec& spec, const Vocabulary& from) {
  spec.model = TokenizerSpec::Model::kUnigram;
  spec.fuse_unknown = true;
  NormalizerStep step;
  step.kind = NormalizerStep::Kind::kSentencePiece;
  step.charsmap = from.precompiled_charsmap;
  step.add_prefix_space = from.add_space_prefix.value_or(true);
  step.remove_extra_spaces = from.remove_extra_whitespaces.value_or(true);
  spec.strips_leading_space = step.add_prefix_space;
  spec.normalizer.push_back(step);
}

// Llama 3 and Tekken files may leave add_bos out; their tokenizers always begin with BOS and take whole words first.
bool begins_with_bos(std::string_view name) {
  return name == "llama3" || name == "llama-v3" || name == "llama-bpe" || name == "falcon3" || name == "falcon-h1" ||
         name == "pixtral" || name == "midm-2.0" || name == "lfm2" || name == "tekken";
}

bool takes_whole_words(std::string_view name) {
  return begins_with_bos(name) || name == "glm4" || name == "minicpm5";
}

}  // namespace

TokenizerSpec spec_from_vocabulary(const Vocabulary& from) {
  TokenizerSpec spec;
  spec.tokens = from.tokens;
  spec.scores.assign(from.scores.begin(), from.scores.end());
  spec.types = from.types;
  if (spec.types.empty()) spec.types.assign(spec.tokens.size(), TokenType::kNormal);
  if (spec.types.size() != spec.tokens.size()) {
    throw_error(ErrorCode::kBadModel, "tokenizer: {} tokens but {} token types; the file is damaged",
                spec.tokens.size(), spec.types.size());
  }
  spec.chat_template = from.chat_template;
  set_special_ids(spec, from);

  bool add_bos = false, add_eos = false;
  switch (from.kind) {
    case VocabularyKind::kByteLevelBpe:
      set_byte_level(spec, from);
      add_bos = begins_with_bos(from.pre_tokenizer);
      spec.ignore_merges = takes_whole_words(from.pre_tokenizer);
      break;
    case VocabularyKind::kSentencePiece:
      set_sentencepiece(spec, from);
      add_bos = true;
      break;
    case VocabularyKind::kUnigram:
      set_unigram(spec, from);
      add_eos = true;
      break;
  }
  set_added_tokens(spec);
  if (from.add_bos.value_or(add_bos) && spec.bos) spec.prefix.push_back(*spec.bos);
  if (from.add_eos.value_or(add_eos) && spec.eos) spec.suffix.push_back(*spec.eos);

  spec.end_of_generation = end_tokens_by_name(spec);
  for (const auto& id : {spec.eos, from.eot, from.eom}) {
    if (id) spec.end_of_generation.push_back(*id);
  }
  return spec;
}

}  // namespace regroup
