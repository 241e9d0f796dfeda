// "Did you mean": the known word that a mistyped one is nearest to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace regroup::cli {

// The known word with the fewest letters added, dropped, changed or swapped with their neighbour; the first of several.
// Empty where more than a third of the letters are wrong.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace regroup::cli
