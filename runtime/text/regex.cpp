#include "runtime/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "runtime/core/error.h"

namespace regroup {
namespace {

// Steps for one match: every published pattern is linear on any text, so that this only stops patterns made to explode.
constexpr std::uint32_t kMatchLimit = 50'000'000;
constexpr std::uint32_t kHeapLimitKib = 256 * 1024;

std::string message_of(int error) {
  unsigned char buffer[160];
  if (pcre2_get_error_message(error, buffer, sizeof buffer) < 0) return "unknown error";
  return reinterpret_cast<const char*>(buffer);
}

struct MatchState {
  pcre2_match_data* data;
  pcre2_match_context* context;

  explicit MatchState(const pcre2_code* code)
      : data(pcre2_match_data_create_from_pattern(code, nullptr)), context(pcre2_match_context_create(nullptr)) {
    if (data == nullptr || context == nullptr) {
      release();
      throw_error(ErrorCode::kOutOfMemory, "splitting text into words: out of memory");
    }
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, kHeapLimitKib);
  }
  MatchState(const MatchState&) = delete;
  MatchState& operator=(const MatchState&) = delete;
  ~MatchState() { release(); }

  void release() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
};

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;

  explicit Code(const std::string& pattern) {
    int error = 0;
    std::size_t offset = 0;
    const std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error, &offset, nullptr);
    if (code == nullptr) {
      throw_error(ErrorCode::kBadModel, "tokenizer: its pattern \"{}\" is no valid regular expression: {}",
                  escaped(pattern), message_of(error));
    }
    // Where just-in-time compilation is missing or forbidden, matching falls back to the interpreter by itself.
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(code); }
};

bool is_script(std::string_view name) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  if (name.size() < 3 || name.find_first_not_of(kLetters) != std::string_view::npos) return false;
  // PCRE2 knows all of them, but has no other way to ask.
  const std::string pattern = fmt::format("\\p{{sc:{}}}", name);
  int error = 0;
  std::size_t offset = 0;
  pcre2_code* const code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF, &error, &offset, nullptr);
  pcre2_code_free(code);
  return code != nullptr;
}

Regex::Regex(std::string_view pattern) : code_(std::make_shared<const Code>(translate_regex(pattern))) {}

std::vector<Regex::Match> Regex::find_all(std::string_view text) const {
  std::vector<Match> matches;
  MatchState state(code_->code);
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  std::size_t at = 0;
  bool after_empty = false;  // an empty match must not be found again
  while (at <= text.size()) {
    const std::uint32_t options = PCRE2_NO_UTF_CHECK | (after_empty ? PCRE2_NOTEMPTY_ATSTART : 0u);
    int found = pcre2_match(code_->code, subject, text.size(), at, options, state.data, state.context);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      found = pcre2_match(code_->code, subject, text.size(), at, options | PCRE2_NO_JIT, state.data, state.context);
    }
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) {
      throw_error(ErrorCode::kFailed, "splitting {} bytes of text into words: {}; give the text in smaller parts",
                  text.size(), message_of(found));
    }
    const std::size_t* offsets = pcre2_get_ovector_pointer(state.data);
    const Match match{offsets[0], offsets[1]};
    after_empty = match.begin == match.end;
    // An empty match right behind another match does not count, as in Oniguruma.
    const bool counts = !after_empty || matches.empty() || match.begin != matches.back().end;
    if (counts) matches.push_back(match);
    at = match.end;
  }
  return matches;
}

std::vector<Regex::Match> Regex::find_segments(std::string_view text) const {
  std::vector<Match> matches;
  MatchState state(code_->code);
  for (std::size_t at = 0; at < text.size();) {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data() + at);
    const int found =
        pcre2_match(code_->code, subject, text.size() - at, 0, PCRE2_NO_UTF_CHECK, state.data, state.context);
    const std::size_t* offsets = pcre2_get_ovector_pointer(state.data);
    if (found < 0 || offsets[1] == 0) {
      throw_error(ErrorCode::kFailed, "splitting {} bytes of text into characters: {}", text.size(),
                  found < 0 ? message_of(found) : "an empty match");
    }
    matches.push_back({at + offsets[0], at + offsets[1]});
    at += offsets[1];
  }
  return matches;
}

}  // namespace regroup
