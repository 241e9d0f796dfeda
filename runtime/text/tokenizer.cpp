#include "runtime/text/tokenizer.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/core/utf8.h"
#include "runtime/text/added_tokens.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/gguf_spec.h"
#include "runtime/text/normalizer.h"
#include "runtime/text/pre_tokenizer.h"
#include "runtime/text/space_symbol.h"
#include "runtime/text/token_model.h"
#include "runtime/text/token_table.h"

namespace regroup {
namespace {

constexpr std::size_t kMaxTokens = std::size_t{4} << 20;
// Real tokens have some hundred bytes at most, all of them together some three million.
constexpr std::size_t kMaxTokenBytes = std::size_t{64} << 10, kMaxVocabularyBytes = std::size_t{32} << 20;

[[noreturn]] void refuse(const std::string& what) {
  throw_error(ErrorCode::kBadModel, "tokenizer: {}; the file is damaged or not supported", what);
}

TokenizerSpec checked(TokenizerSpec spec) {
  const std::size_t count = spec.tokens.size();
  if (count == 0) refuse("it has no tokens");
  if (count > kMaxTokens) refuse(fmt::format("{} tokens, at most {} are supported", count, kMaxTokens));
  std::size_t bytes = 0;
  for (std::size_t id = 0; id < count; ++id) {
    const std::size_t size = spec.tokens[id].size();
    if (size > kMaxTokenBytes)
      refuse(fmt::format("token {} has {} bytes, at most {} are supported", id, size, kMaxTokenBytes));
    bytes += size;
  }
  if (bytes > kMaxVocabularyBytes)
    refuse(fmt::format("the tokens have {} bytes, at most {} are supported", bytes, kMaxVocabularyBytes));
  if (spec.types.empty()) spec.types.assign(count, TokenType::kNormal);
  if (spec.types.size() != count) refuse(fmt::format("{} tokens but {} token types", count, spec.types.size()));
  const auto check_id = [&](std::uint32_t id, const char* name) {
    if (id >= count) refuse(fmt::format("{} token {} lies outside the {} tokens", name, id, count));
  };
  for (const auto& id : {spec.bos, spec.eos, spec.unk, spec.pad}) {
    if (id) check_id(*id, "special");
  }
  for (const auto& [name, id] : spec.named_tokens) check_id(id, "special");
  for (const auto& list : {spec.prefix, spec.suffix, spec.end_of_generation}) {
    for (const std::uint32_t id : list) check_id(id, "special");
  }
  for (const AddedToken& token : spec.added) check_id(token.id, "added");
  for (const MergeRule& rule : spec.merges) {
    check_id(std::max({rule.left, rule.right, rule.merged}), "merged");
  }
  for (const double score : spec.scores) {
    if (!std::isfinite(score)) refuse("a score is no finite number");
  }
  return spec;
}

std::vector<AddedToken> raw_added(const TokenizerSpec& spec) {
  std::vector<AddedToken> tokens;
  std::copy_if(spec.added.begin(), spec.added.end(), std::back_inserter(tokens),
               [](const AddedToken& t) { return !t.normalized; });
  return tokens;
}

std::vector<AddedToken> normalized_added(const TokenizerSpec& spec, const Normalizer& normalizer) {
  // All of them together: many small tokens may not cost what one large one may not.
  constexpr std::size_t kMostBytes = std::size_t{4} << 20;
  std::size_t before = 0, after = 0;
  for (const AddedToken& token : spec.added) before += token.normalized ? token.text.size() : 0;
  GrowthLimit limit(before, kMostBytes);
  std::vector<AddedToken> tokens;
  for (AddedToken token : spec.added) {
    if (!token.normalized) continue;
    token.text = normalizer.apply(token.text, true, limit);
    after += token.text.size();
    limit.check(after);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

struct Tokenizer::Parts {
  TokenizerSpec spec;
  TokenTable table;
  Normalizer normalizer;
  AddedTokens raw, normalized;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<TokenModel> model;
  std::vector<bool> end_of_generation;  // by id

  explicit Parts(TokenizerSpec from)
      : spec(checked(std::move(from))),
        table(spec.tokens),
        normalizer(spec.normalizer),
        raw(raw_added(spec)),
        normalized(normalized_added(spec, normalizer)),
        pre_tokenizer(spec.pre_tokenizer),
        model(make_token_model(spec, table)),
        end_of_generation(spec.tokens.size(), false) {
    for (const std::uint32_t id : spec.end_of_generation) end_of_generation[id] = true;
  }

  std::vector<std::uint32_t> encode(std::string_view text, EncodeOptions options) const;

  void check_id(std::uint32_t id) const {
    if (id >= spec.tokens.size()) {
      throw_error(ErrorCode::kUsage, "token {} does not exist: the vocabulary has tokens 0 to {}", id,
                  spec.tokens.size() - 1);
    }
  }
};

Tokenizer::Tokenizer(TokenizerSpec spec) : parts_(std::make_unique<const Parts>(std::move(spec))) {}
Tokenizer::Tokenizer(const Vocabulary& vocabulary) : Tokenizer(spec_from_vocabulary(vocabulary)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<std::uint32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  try {
    return parts_->encode(text, options);
  } catch (const Error& error) {
    // What only shows with a text is the file's fault all the same.
    const std::string& source = parts_->spec.source;
    if (error.code() != ErrorCode::kBadModel || source.empty()) throw;
    throw_error(ErrorCode::kBadModel, "{}: {}", source, error.what());
  }
}

std::vector<std::uint32_t> Tokenizer::Parts::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > kMaxTextBytes) {
    throw_error(ErrorCode::kUsage, "a text of {} bytes is too long to be tokenised, the limit is {}; use a part of it",
                text.size(), kMaxTextBytes);
  }
  const std::string valid = replace_invalid_utf8(text);
  GrowthLimit limit(valid.size());  // one for all parts: a text may have as many parts as letters
  std::vector<std::uint32_t> ids;
  if (options.add_special) ids = spec.prefix;
  for (const AddedTokens::Part& outer : raw.split(valid, options.parse_special)) {
    if (outer.id) {
      ids.push_back(*outer.id);
      continue;
    }
    const bool begins_text = outer.text.data() == valid.data();
    const std::string normal = normalizer.apply(outer.text, begins_text, limit);
    for (const AddedTokens::Part& part : normalized.split(normal, options.parse_special)) {
      if (part.id) {
        ids.push_back(*part.id);
        continue;
      }
      const bool first = begins_text && part.text.data() == normal.data();
      const PreTokenizer::Pieces words = pre_tokenizer.apply(part.text, first, limit);
      for (const std::string_view word : words.pieces) model->encode(word, ids);
    }
  }
  if (options.add_special) ids.insert(ids.end(), spec.suffix.begin(), spec.suffix.end());
  return ids;
}

std::string Tokenizer::piece(std::uint32_t id) const {
  const Parts& p = *parts_;
  p.check_id(id);
  const std::string& token = p.spec.tokens[id];
  const TokenType type = p.spec.types[id];
  const bool byte_level = p.spec.model == TokenizerSpec::Model::kByteLevelBpe;
  if (type == TokenType::kControl || type == TokenType::kUnknown) return token;
  if (byte_level) return type == TokenType::kUserDefined ? token : unspell_bytes(token).value_or(token);
  if (const auto byte = parse_byte_token(token);
      byte && type != TokenType::kUserDefined && (type == TokenType::kByte || p.spec.byte_fallback)) {
    return std::string(1, static_cast<char>(*byte));
  }
  return with_plain_spaces(token);
}

std::string Tokenizer::decode(std::span<const std::uint32_t> ids, bool show_special) const {
  std::string out;
  bool first = true;
  for (const std::uint32_t id : ids) {
    if (is_control(id) && !show_special) continue;
    std::string text = piece(id);
    if (first && parts_->spec.strips_leading_space && text.starts_with(' ')) text.erase(0, 1);
    first = false;
    out += text;
  }
  return out;
}

std::size_t Tokenizer::vocabulary_size() const {
  return parts_->spec.tokens.size();
}

bool Tokenizer::is_control(std::uint32_t id) const {
  parts_->check_id(id);
  const TokenType type = parts_->spec.types[id];
  return type == TokenType::kControl || type == TokenType::kUnknown;
}

bool Tokenizer::is_end_of_generation(std::uint32_t id) const {
  parts_->check_id(id);
  return parts_->end_of_generation[id];
}

std::optional<std::uint32_t> Tokenizer::bos() const {
  return parts_->spec.bos;
}
std::optional<std::uint32_t> Tokenizer::eos() const {
  return parts_->spec.eos;
}
const std::vector<std::pair<std::string, std::uint32_t>>& Tokenizer::named_tokens() const {
  return parts_->spec.named_tokens;
}

bool Tokenizer::adds_bos() const {
  const TokenizerSpec& spec = parts_->spec;
  return spec.bos && !spec.prefix.empty() && spec.prefix.front() == *spec.bos;
}

std::optional<std::uint32_t> Tokenizer::find(std::string_view token) const {
  return parts_->table.find(token);
}
const std::string& Tokenizer::chat_template() const {
  return parts_->spec.chat_template;
}
const std::string& Tokenizer::warning() const {
  return parts_->spec.warning;
}

}  // namespace regroup
