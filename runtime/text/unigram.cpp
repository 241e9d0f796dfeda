#include "runtime/text/unigram.h"

#include <algorithm>
#include <limits>

#include "runtime/core/error.h"
#include "runtime/core/utf8.h"

namespace regroup {
namespace {

constexpr double kUnknownPenalty = 10.0;  // SentencePiece's

}  // namespace

Unigram::Unigram(const TokenizerSpec& spec)
    : spec_(&spec), byte_tokens_(find_byte_tokens(spec)), unk_(spec.unk.value_or(0)) {
  if (spec.scores.size() != spec.tokens.size()) {
    throw_error(ErrorCode::kBadModel, "tokenizer: {} tokens but {} scores; a unigram vocabulary needs one for each",
                spec.tokens.size(), spec.scores.size());
  }
  if (!spec.unk) {
    throw_error(ErrorCode::kBadModel,
                "tokenizer: a unigram vocabulary without an unknown token; the file is damaged or not supported");
  }
  double lowest = std::numeric_limits<double>::max();
  std::vector<std::pair<std::string, std::uint32_t>> entries;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    const TokenType type = spec.types[id];
    if (type == TokenType::kNormal) lowest = std::min(lowest, spec.scores[id]);
    if (type == TokenType::kNormal || type == TokenType::kUserDefined || type == TokenType::kUnused) {
      entries.emplace_back(spec.tokens[id], static_cast<std::uint32_t>(id));
    }
  }
  if (lowest == std::numeric_limits<double>::max()) lowest = 0;
  unknown_score_ = lowest - kUnknownPenalty;
  tree_ = PrefixTree(std::move(entries));
}

void Unigram::encode(std::string_view piece, std::vector<std::uint32_t>& ids) const {
  struct Best {  // the best split of the text up to here ends in token `id`, which begins at `begin`
    double score = -std::numeric_limits<double>::infinity();
    std::uint32_t begin = 0, id = 0;
  };
  std::vector<Best> best(piece.size() + 1);
  best[0].score = 0;
  const auto offer = [&](std::size_t begin, std::size_t end, std::uint32_t id, double score) {
    const double sum = best[begin].score + score;
    if (sum > best[end].score) best[end] = {sum, static_cast<std::uint32_t>(begin), id};
  };
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t size = utf8_step(piece, at).bytes;
    bool covers_character = false;
    tree_.each_prefix(piece, at, [&](std::size_t length, std::uint32_t id) {
      covers_character = covers_character || length == size;
      offer(at, at + length, id, spec_->types[id] == TokenType::kUserDefined ? 0.0 : spec_->scores[id]);
    });
    if (!covers_character) offer(at, at + size, unk_, unknown_score_);
    at += size;
  }

  std::vector<std::pair<std::uint32_t, std::uint32_t>> reversed;  // begin, id
  for (std::size_t end = piece.size(); end > 0; end = best[end].begin)
    reversed.emplace_back(best[end].begin, best[end].id);
  bool after_unknown = false;
  for (auto token = reversed.rbegin(); token != reversed.rend(); ++token) {
    const auto [begin, id] = *token;
    if (id != unk_) {
      ids.push_back(id);
    } else {
      const std::size_t end = std::next(token) == reversed.rend() ? piece.size() : std::next(token)->first;
      const bool spelled = spec_->byte_fallback && append_bytes(byte_tokens_, piece.substr(begin, end - begin), ids);
      if (!spelled && !(after_unknown && spec_->fuse_unknown)) ids.push_back(unk_);
    }
    after_unknown = id == unk_;
  }
}

}  // namespace regroup
