#include "runtime/text/sentencepiece_model.h"

#include <bit>
#include <cstdint>
#include <string_view>

#include "runtime/core/error.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/space_symbol.h"

namespace regroup {
namespace {

constexpr std::size_t kMaxPieces = std::size_t{4} << 20;

[[noreturn]] void refuse(const std::string& what) {
  throw_error(ErrorCode::kBadModel, "tokenizer.model: {}; the file is damaged or not supported", what);
}

// Walks the fields of one protobuf message. Every length is checked against what is left.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  // Moves to the next field; false at the end.
  bool next() {
    if (rest_.empty()) return false;
    const std::uint64_t key = varint();
    field_ = key >> 3;
    number_ = 0;
    bytes_ = {};
    switch (key & 7) {
      case 0:
        number_ = varint();
        break;
      case 1:
        bytes_ = take(8);
        break;
      case 2:
        bytes_ = take(varint());
        break;
      case 5: {
        bytes_ = take(4);
        for (std::size_t i = 0; i < 4; ++i) number_ |= std::uint64_t{static_cast<unsigned char>(bytes_[i])} << (8 * i);
        break;
      }
      default:
        refuse(fmt::format("a field of wire type {}", key & 7));
    }
    return true;
  }

  std::uint64_t field() const { return field_; }
  std::uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }
  float real() const { return std::bit_cast<float>(static_cast<std::uint32_t>(number_)); }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    refuse("a number without an end");
  }

  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) refuse(fmt::format("a field of {} bytes where {} are left", size, rest_.size()));
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  std::uint64_t field_ = 0, number_ = 0;
  std::string_view bytes_;
};

struct Trainer {
  std::uint64_t model_type = 1;  // 1 unigram, 2 byte-pair
  bool byte_fallback = false;
  std::int32_t unk = 0, bos = 1, eos = 2, pad = -1;
  bool space_as_suffix = false;
};

struct Normalization {
  std::string_view charsmap;
  bool add_prefix_space = true, remove_extra_spaces = true, escape_spaces = true;
};

void read_piece(std::string_view bytes, TokenizerSpec& spec) {
  if (spec.tokens.size() >= kMaxPieces) refuse(fmt::format("more than {} pieces", kMaxPieces));
  std::string text;
  float score = 0;
  std::uint64_t type = 1;
  for (Message message(bytes); message.next();) {
    if (message.field() == 1) text = message.bytes();
    if (message.field() == 2) score = message.real();
    if (message.field() == 3) type = message.number();
  }
  if (type < 1 || type > 6) refuse(fmt::format("a piece of type {}", type));
  if (static_cast<TokenType>(type) == TokenType::kByte && !parse_byte_token(text)) {
    refuse(
        fmt::format("piece {} of type BYTE is '{}', expected <0x00> to <0xFF>", spec.tokens.size(), escaped(text, 60)));
  }
  spec.tokens.push_back(std::move(text));
  spec.scores.push_back(score);
  spec.types.push_back(static_cast<TokenType>(type));
}

Trainer read_trainer(std::string_view bytes) {
  Trainer trainer;
  const auto id = [](std::uint64_t number) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(number)); };
  for (Message message(bytes); message.next();) {
    switch (message.field()) {
      case 3:
        trainer.model_type = message.number();
        break;
      case 24:
        trainer.space_as_suffix = message.number() != 0;
        break;
      case 35:
        trainer.byte_fallback = message.number() != 0;
        break;
      case 40:
        trainer.unk = id(message.number());
        break;
      case 41:
        trainer.bos = id(message.number());
        break;
      case 42:
        trainer.eos = id(message.number());
        break;
      case 43:
        trainer.pad = id(message.number());
        break;
      default:
        break;
    }
  }
  return trainer;
}

Normalization read_normalization(std::string_view bytes) {
  Normalization normalization;
  for (Message message(bytes); message.next();) {
    if (message.field() == 2) normalization.charsmap = message.bytes();
    if (message.field() == 3) normalization.add_prefix_space = message.number() != 0;
    if (message.field() == 4) normalization.remove_extra_spaces = message.number() != 0;
    if (message.field() == 5) normalization.escape_spaces = message.number() != 0;
  }
  return normalization;
}

std::optional<std::uint32_t> known_id(std::int32_t id, const TokenizerSpec& spec) {
  if (id < 0 || static_cast<std::size_t>(id) >= spec.tokens.size()) return std::nullopt;
  return static_cast<std::uint32_t>(id);
}

void set_added_tokens(TokenizerSpec& spec) {
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    const TokenType type = spec.types[id];
    if (type != TokenType::kControl && type != TokenType::kUserDefined && type != TokenType::kUnknown) continue;
    AddedToken token;
    token.text = with_plain_spaces(spec.tokens[id]);  // matched before spaces become symbols
    token.id = static_cast<std::uint32_t>(id);
    token.special = type != TokenType::kUserDefined;
    spec.added.push_back(std::move(token));
  }
}

}  // namespace

TokenizerSpec read_sentencepiece_model(std::span<const std::byte> bytes) {
  TokenizerSpec spec;
  Trainer trainer;
  Normalization normalization;
  for (Message message({reinterpret_cast<const char*>(bytes.data()), bytes.size()}); message.next();) {
    if (message.field() == 1) read_piece(message.bytes(), spec);
    if (message.field() == 2) trainer = read_trainer(message.bytes());
    if (message.field() == 3) normalization = read_normalization(message.bytes());
  }
  if (spec.tokens.empty()) refuse("it has no pieces");
  if (trainer.model_type != 1 && trainer.model_type != 2) refuse(fmt::format("a model of type {}", trainer.model_type));
  if (trainer.space_as_suffix || !normalization.escape_spaces) refuse("spaces are not treated as prefixes");

  spec.model = trainer.model_type == 1 ? TokenizerSpec::Model::kUnigram : TokenizerSpec::Model::kSentencePiece;
  spec.byte_fallback = trainer.byte_fallback;
  spec.fuse_unknown = true;
  spec.unk = known_id(trainer.unk, spec);
  spec.bos = known_id(trainer.bos, spec);
  spec.eos = known_id(trainer.eos, spec);
  spec.pad = known_id(trainer.pad, spec);
  spec.strips_leading_space = normalization.add_prefix_space;
  NormalizerStep step;
  step.kind = NormalizerStep::Kind::kSentencePiece;
  step.charsmap.assign(normalization.charsmap.begin(), normalization.charsmap.end());
  step.add_prefix_space = normalization.add_prefix_space;
  step.remove_extra_spaces = normalization.remove_extra_spaces;
  spec.normalizer.push_back(std::move(step));
  set_added_tokens(spec);
  return spec;
}

}  // namespace regroup
