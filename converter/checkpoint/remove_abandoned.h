// What killed processes left beside an output.
#pragma once

#include <filesystem>

namespace regroup {

// Removes their temporaries; those of living processes stay. A directory that was being replaced gets its name back
// where nothing has taken it.
void remove_abandoned(const std::filesystem::path& target);

}  // namespace regroup
