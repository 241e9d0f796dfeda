// Token ids to printable text, one by one as they are generated: never half a character, and nothing that may turn out
// to be the beginning of a stop text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/text/tokenizer.h"

namespace regroup {

struct StreamOptions {
  std::vector<std::string> stops;  // the text ends in front of the first of these; empty ones are ignored
  bool show_special = false;       // print control tokens' names
  bool starts_text = false;        // no text stands in front: the space that encoding would have put there is left out
};

class StreamDecoder {
 public:
  // `tokenizer` must outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer, StreamOptions options = {});

  // Takes the next token and returns the text that is now certain (valid UTF-8; bytes that cannot become a character
  // are U+FFFD). After a stop text was found it returns nothing more.
  std::string feed(std::uint32_t id);

  // The text that was held back; an unfinished character becomes U+FFFD. Nothing when a stop text was found.
  std::string finish();

  // Whether a stop text was found.
  bool stopped() const { return stopped_; }

 private:
  std::string release(bool everything);

  const Tokenizer* tokenizer_;
  StreamOptions options_;
  std::string bytes_;  // of a character that is not complete
  std::string held_;   // text that may be the beginning of a stop text
  bool first_ = true;
  bool stopped_ = false;
};

}  // namespace regroup
