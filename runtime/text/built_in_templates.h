// The chat formats that most models use, as templates.
#pragma once

#include <string_view>

#include "runtime/text/tokenizer.h"

namespace regroup {

struct BuiltInTemplate {
  std::string_view name, source;
};

// The built-in format that `text` (a template that cannot be run, or empty) or else the vocabulary points to; ChatML
// when nothing does, with `certain` false.
struct Recognised {
  BuiltInTemplate format;
  bool certain;
};
Recognised recognise_chat_format(std::string_view text, const Tokenizer& tokenizer);

}  // namespace regroup
