#include "runtime/text/normalizer.h"

#include "runtime/core/error.h"
#include "runtime/core/utf8.h"
#include "runtime/text/space_symbol.h"
#include "runtime/text/unicode/normal_form.h"
#include "runtime/text/unicode/properties.h"

namespace regroup {
namespace {

// Real tokenizers have some ten.
constexpr std::size_t kMaxSteps = 256;

std::string replace_text(std::string_view text, std::string_view pattern, std::string_view content,
                         const GrowthLimit& limit) {
  std::string out;
  std::size_t at = 0;
  while (!pattern.empty()) {
    const std::size_t found = text.find(pattern, at);
    if (found == std::string_view::npos) break;
    out += text.substr(at, found - at);
    out += content;
    at = found + pattern.size();
    limit.check(out.size());
  }
  out += text.substr(at);
  return out;
}

std::string replace_matches(std::string_view text, const Regex& regex, std::string_view content,
                            const GrowthLimit& limit) {
  std::string out;
  std::size_t at = 0;
  for (const Regex::Match& match : regex.find_all(text)) {
    out += text.substr(at, match.begin - at);
    out += content;
    at = match.end;
    limit.check(out.size());
  }
  out += text.substr(at);
  return out;
}

std::string strip(std::string_view text, bool left, bool right) {
  if (left) text.remove_prefix(leading_space_bytes(text));
  if (right) text.remove_suffix(trailing_space_bytes(text));
  return std::string(text);
}

// Hugging Face looks a whole cluster up when it is short, else each of its characters, and takes the shortest entry.
std::string map_clusters(std::string_view text, const Charsmap& map, const Regex& cluster, const GrowthLimit& limit) {
  constexpr std::size_t kShortBytes = 6;
  std::string out;
  for (const Regex::Match& match : cluster.find_segments(text)) {
    const std::string_view whole = text.substr(match.begin, match.end - match.begin);
    if (whole.size() < kShortBytes) {
      if (const auto found = map.shortest_prefix(whole, 0)) {
        out += found->text;
        limit.check(out.size());
        continue;
      }
    }
    for (std::size_t at = 0; at < whole.size();) {
      const std::string_view character = whole.substr(at, utf8_step(whole, at).bytes);
      const auto found = map.shortest_prefix(character, 0);
      out += found ? found->text : character;
      limit.check(out.size());
      at += character.size();
    }
  }
  return out;
}

// SentencePiece: the longest entry of the map at each place, then one space symbol for each space (or for each run of
// them), one in front of the text, none behind it.
std::string normalize_sentencepiece(std::string_view text, const Charsmap& map, const NormalizerStep& step, bool first,
                                    const GrowthLimit& limit) {
  std::string mapped;
  for (std::size_t at = 0; at < text.size();) {
    if (const auto found = map.longest_prefix(text, at)) {
      mapped += found->text;
      limit.check(mapped.size());
      at += found->matched_bytes;
    } else {
      const std::size_t size = utf8_step(text, at).bytes;
      mapped += text.substr(at, size);
      at += size;
    }
  }
  std::string out;
  bool in_word = false, prefix_due = step.add_prefix_space && (first || !step.prefix_first_only);
  if (prefix_due && !step.remove_extra_spaces && !mapped.empty()) {
    out += kSpaceSymbol;
    prefix_due = false;
  }
  for (const char c : mapped) {
    if (c == ' ') {
      if (!step.remove_extra_spaces) out += kSpaceSymbol;
      in_word = false;
      continue;
    }
    if (!in_word && (prefix_due || (step.remove_extra_spaces && !out.empty()))) {
      out += kSpaceSymbol;
      prefix_due = false;
    }
    in_word = true;
    out += c;
  }
  return out;
}

}  // namespace

Normalizer::Normalizer(const std::vector<NormalizerStep>& steps) {
  if (steps.size() > kMaxSteps) {
    throw_error(ErrorCode::kBadModel, "tokenizer: its normalizer has {} steps, at most {} are supported", steps.size(),
                kMaxSteps);
  }
  for (const NormalizerStep& step : steps) {
    Compiled compiled{step, std::nullopt, Charsmap(step.charsmap)};
    compiled.step.charsmap.clear();
    if (step.kind == NormalizerStep::Kind::kReplaceRegex) compiled.regex.emplace(step.pattern);
    if (step.kind == NormalizerStep::Kind::kCharsmapGraphemes) compiled.regex.emplace("\\X");
    steps_.push_back(std::move(compiled));
  }
}

std::string Normalizer::apply(std::string_view text, bool first, GrowthLimit& limit) const {
  std::string out(text);
  for (const Compiled& compiled : steps_) {
    out = apply_step(compiled, std::move(out), first, limit);
    limit.made(out.size());
  }
  return out;
}

std::string Normalizer::apply_step(const Compiled& compiled, std::string text, bool first, const GrowthLimit& limit) {
  const NormalizerStep& step = compiled.step;
  switch (step.kind) {
    case NormalizerStep::Kind::kPrepend:
      if (text.empty()) return text;
      limit.check(step.content.size() + text.size());
      return step.content + text;
    case NormalizerStep::Kind::kReplaceText:
      return replace_text(text, step.pattern, step.content, limit);
    case NormalizerStep::Kind::kReplaceRegex:
      return replace_matches(text, *compiled.regex, step.content, limit);
    case NormalizerStep::Kind::kStrip:
      return strip(text, step.left, step.right);
    case NormalizerStep::Kind::kNfc:
      return normalize_unicode(text, {.compose = true, .compatible = false});
    case NormalizerStep::Kind::kNfd:
      return normalize_unicode(text, {.compose = false, .compatible = false});
    case NormalizerStep::Kind::kNfkc:
      return normalize_unicode(text, {.compose = true, .compatible = true});
    case NormalizerStep::Kind::kNfkd:
      return normalize_unicode(text, {.compose = false, .compatible = true});
    // A map from a damaged file may hold parts of characters; what comes behind relies on valid UTF-8.
    case NormalizerStep::Kind::kCharsmapGraphemes:
      return replace_invalid_utf8(map_clusters(text, compiled.charsmap, *compiled.regex, limit));
    case NormalizerStep::Kind::kSentencePiece:
      return replace_invalid_utf8(normalize_sentencepiece(text, compiled.charsmap, step, first, limit));
  }
  return text;
}

}  // namespace regroup
