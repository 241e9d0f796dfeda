// A compiled regular expression over UTF-8 (PCRE2 with Unicode properties), made to agree with Oniguruma, the engine
// behind Hugging Face's tokenizers.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace regroup {

// Word characters as Rust's regular expressions have them, for a class. The tokenizers library uses those, not
// Oniguruma's \w, for what it does not read from tokenizer.json.
#define REGROUP_RUST_WORD                                                               \
  R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200c}\x{200d}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149})" \
  R"(\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})"

class Regex {
 public:
  struct Match {
    std::size_t begin, end;  // bytes; begin == end for an empty match
  };

  // `pattern` in Oniguruma's (Ruby) syntax. Throws Error kBadModel for a pattern that is wrong, too long or uses what
  // this class does not translate.
  explicit Regex(std::string_view pattern);

  // All matches in `text` (valid UTF-8) from left to right, none overlapping. Thread-safe.
  // Throws Error kFailed when the pattern needs too many steps on this text.
  std::vector<Match> find_all(std::string_view text) const;
  // The text cut up by matches that each see it as if it began where they do. For \X, which looks back over a whole run
  // of flags to tell where one begins: there it is the same, but takes no longer for later ones.
  std::vector<Match> find_segments(std::string_view text) const;

 private:
  struct Code;  // the compiled pattern, immutable
  std::shared_ptr<const Code> code_;
};

// Whether \p{name} is about a script, such as Han or Cyrl.
bool is_script(std::string_view name);

// `pattern` rewritten for PCRE2: classes and escapes that the two engines understand differently are spelled out.
// Throws as above.
std::string translate_regex(std::string_view pattern);

}  // namespace regroup
