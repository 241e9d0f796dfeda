#include "runtime/text/added_tokens.h"

#include <algorithm>

#include "runtime/core/utf8.h"
#include "runtime/text/regex.h"
#include "runtime/text/unicode/properties.h"

namespace regroup {
namespace {

// Whether a word character stands right before `begin` or right behind `end`. Single-word tokens are rare: compiled
// when needed.
bool touches_word(std::string_view text, std::size_t begin, std::size_t end) {
  std::string neighbours;
  if (begin > 0) append_utf8(neighbours, character_before(text, begin));
  if (end < text.size()) append_utf8(neighbours, utf8_step(text, end).code_point);
  return !Regex("[" REGROUP_RUST_WORD "]").find_all(neighbours).empty();
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::vector<std::pair<std::string, std::uint32_t>> entries;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    // A token that is no valid UTF-8 could only be found inside a character.
    if (replace_invalid_utf8(tokens_[i].text) != tokens_[i].text) continue;
    entries.emplace_back(tokens_[i].text, static_cast<std::uint32_t>(i));
  }
  tree_ = PrefixTree(std::move(entries));
}

std::vector<AddedTokens::Part> AddedTokens::split(std::string_view text, bool special) const {
  std::vector<Part> parts;
  std::size_t done = 0;  // everything before it stands in `parts`
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = 0;
    const AddedToken* token = nullptr;
    if (tree_.can_start_with(static_cast<unsigned char>(text[at]))) {
      tree_.each_prefix(text, at, [&](std::size_t found_length, std::uint32_t index) {
        length = found_length;
        token = &tokens_[index];
      });
    }
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + length;
    at = end;  // also when the token is passed over: what it covers is not searched again
    if (token->special && !special) continue;
    if (token->single_word && touches_word(text, begin, end)) continue;
    if (token->left_strip) begin = std::max(done, begin - trailing_space_bytes(text.substr(0, begin)));
    if (token->right_strip) end += leading_space_bytes(text.substr(end));
    if (done < begin) parts.push_back({text.substr(done, begin - done), std::nullopt});
    parts.push_back({text.substr(begin, end - begin), token->id});
    done = at = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), std::nullopt});
  return parts;
}

}  // namespace regroup
