// Unicode normal forms C, D, KC and KD (Unicode Standard Annex 15).
#pragma once

#include <string>
#include <string_view>

namespace regroup {

struct NormalForm {
  bool compose;     // forms C and KC
  bool compatible;  // forms KC and KD
};

// `text` (valid UTF-8) in the normal form `form`.
std::string normalize_unicode(std::string_view text, NormalForm form);

}  // namespace regroup
