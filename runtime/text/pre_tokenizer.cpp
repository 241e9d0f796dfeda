#include "runtime/text/pre_tokenizer.h"

#include "runtime/core/error.h"
#include "runtime/core/utf8.h"
#include "runtime/text/unicode/properties.h"

namespace regroup {
namespace {

using Behavior = PreTokenizerStep::Behavior;
using Scheme = PreTokenizerStep::Scheme;

// Real tokenizers have some ten.
constexpr std::size_t kMaxSteps = 256;

struct Part {
  std::size_t begin, end;
  bool match;
};

std::vector<Regex::Match> find_text(std::string_view text, std::string_view pattern) {
  std::vector<Regex::Match> matches;
  if (pattern.empty()) return matches;
  for (std::size_t at = 0; (at = text.find(pattern, at)) != std::string_view::npos; at += pattern.size()) {
    matches.push_back({at, at + pattern.size()});
  }
  return matches;
}

// Matches and what lies between them, without gaps.
std::vector<Part> parts_of(std::string_view text, const std::vector<Regex::Match>& matches, bool invert) {
  std::vector<Part> parts;
  std::size_t at = 0;
  for (const Regex::Match& match : matches) {
    if (at < match.begin) parts.push_back({at, match.begin, invert});
    parts.push_back({match.begin, match.end, !invert});
    at = match.end;
  }
  if (at < text.size()) parts.push_back({at, text.size(), invert});
  return parts;
}

// What the behaviours of tokenizer.json's Split make of the parts.
std::vector<Part> arrange(const std::vector<Part>& parts, Behavior behavior) {
  std::vector<Part> out;
  bool previous_match = false;
  switch (behavior) {
    case Behavior::kIsolated:
      return parts;
    case Behavior::kRemoved:
      for (const Part& part : parts) {
        if (!part.match) out.push_back(part);
      }
      return out;
    case Behavior::kContiguous:
      for (const Part& part : parts) {
        if (!out.empty() && part.match == previous_match) {
          out.back().end = part.end;
        } else {
          out.push_back(part);
        }
        previous_match = part.match;
      }
      return out;
    case Behavior::kMergedWithPrevious:
      for (const Part& part : parts) {
        if (part.match && !previous_match && !out.empty()) {
          out.back().end = part.end;
        } else {
          out.push_back(part);
        }
        previous_match = part.match;
      }
      return out;
    case Behavior::kMergedWithNext:
      for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        if (part->match && !previous_match && !out.empty()) {
          out.back().begin = part->begin;
        } else {
          out.push_back(*part);
        }
        previous_match = part->match;
      }
      return {out.rbegin(), out.rend()};
  }
  return out;
}

void append_parts(std::string_view text, const std::vector<Part>& parts, std::vector<std::string_view>& pieces) {
  for (const Part& part : parts) {
    if (part.begin < part.end) pieces.push_back(text.substr(part.begin, part.end - part.begin));
  }
}

void split_at_spaces(std::string_view text, std::vector<std::string_view>& pieces) {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    if (is_space(step.code_point)) {
      if (begin < at) pieces.push_back(text.substr(begin, at - begin));
      begin = at + step.bytes;
    }
    at += step.bytes;
  }
  if (begin < text.size()) pieces.push_back(text.substr(begin));
}

std::string with_space_symbols(std::string_view text, const PreTokenizerStep& step, bool first) {
  std::string out;
  for (const char c : text) {
    if (c == ' ') {
      out += step.content;
    } else {
      out += c;
    }
  }
  const bool wanted = step.scheme == Scheme::kAlways || (step.scheme == Scheme::kFirst && first);
  if (wanted && !std::string_view(out).starts_with(step.content)) out.insert(0, step.content);
  return out;
}

}  // namespace

PreTokenizer::PreTokenizer(const std::vector<PreTokenizerStep>& steps) {
  if (steps.size() > kMaxSteps) {
    throw_error(ErrorCode::kBadModel, "tokenizer: its pre_tokenizer has {} steps, at most {} are supported",
                steps.size(), kMaxSteps);
  }
  for (const PreTokenizerStep& step : steps) {
    Compiled compiled{step, std::nullopt};
    if (step.kind == PreTokenizerStep::Kind::kSplitRegex) compiled.regex.emplace(step.pattern);
    steps_.push_back(std::move(compiled));
  }
}

PreTokenizer::Pieces PreTokenizer::apply(std::string_view text, bool first, GrowthLimit& limit) const {
  Pieces result;
  if (!text.empty()) result.pieces.push_back(text);
  for (const Compiled& compiled : steps_) {
    const PreTokenizerStep& step = compiled.step;
    std::vector<std::string_view> next;
    bool piece_is_first = first;  // only the first piece begins where the text begins
    std::size_t spelled_bytes = 0;
    const auto spell = [&](std::string spelled) -> std::string_view {
      spelled_bytes += spelled.size();
      limit.check(spelled_bytes);
      return result.texts.emplace_back(std::move(spelled));
    };
    for (const std::string_view piece : result.pieces) {
      switch (step.kind) {
        case PreTokenizerStep::Kind::kSplitRegex:
          append_parts(piece, arrange(parts_of(piece, compiled.regex->find_all(piece), step.invert), step.behavior),
                       next);
          break;
        case PreTokenizerStep::Kind::kSplitText:
          append_parts(piece, arrange(parts_of(piece, find_text(piece, step.pattern), step.invert), step.behavior),
                       next);
          break;
        case PreTokenizerStep::Kind::kWhitespaceSplit:
          split_at_spaces(piece, next);
          break;
        case PreTokenizerStep::Kind::kAddPrefixSpace:
          if (piece.starts_with(' ')) {
            next.push_back(piece);
          } else {
            next.push_back(spell(std::string(" ").append(piece)));
          }
          break;
        case PreTokenizerStep::Kind::kMetaspace: {
          const std::string_view spelled = spell(with_space_symbols(piece, step, piece_is_first));
          if (step.split) {
            append_parts(spelled,
                         arrange(parts_of(spelled, find_text(spelled, step.content), false), Behavior::kMergedWithNext),
                         next);
          } else {
            next.push_back(spelled);
          }
          break;
        }
      }
      piece_is_first = false;
    }
    limit.made(spelled_bytes);
    result.pieces = std::move(next);
  }
  return result;
}

}  // namespace regroup
