// A key or chord as text: "space", "ctrl+o", "f12", "?": what windows report and scripts write.
#pragma once

#include <string>

namespace regroup::view {

struct KeyPress {
  std::string chord;  // lower case, modifiers first in the order ctrl, shift; a printable key by what it prints
};

}  // namespace regroup::view
