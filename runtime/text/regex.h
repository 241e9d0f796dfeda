// A compiled regular expression over UTF-8 (PCRE2 with Unicode properties), made to agree with Oniguruma, the engine
// behind Hugging Face's tokenizers.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace regroup {

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

 private:
  struct Code;  // the compiled pattern, immutable
  std::shared_ptr<const Code> code_;
};

// `pattern` rewritten for PCRE2: classes and escapes that the two engines understand differently are spelled out.
// Throws as above.
std::string translate_regex(std::string_view pattern);

}  // namespace regroup
