// Two files or directories swap their names in one step, so that there is no moment without either.
#pragma once

#include <filesystem>

namespace regroup {

// Both must exist on one file system. False, with nothing changed, where the system or the file system does not offer
// it or refuses.
bool exchange_names(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace regroup
