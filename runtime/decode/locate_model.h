// From what the user calls a model to a path: a file or directory, a name that assets/fetch_model.py has fetched, or
// nothing for the bundled model.
#pragma once

#include <filesystem>
#include <string_view>

namespace regroup {

// $REGROUP_CACHE, or $XDG_CACHE_HOME/regroup, or ~/.cache/regroup: fetched models, pipeline caches.
std::filesystem::path cache_directory();

// Throws kFailed naming what was looked for and where.
std::filesystem::path locate_model(std::string_view model);

}  // namespace regroup
