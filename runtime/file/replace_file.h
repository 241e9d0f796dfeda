// A small file written at once, in place of what stood under its name, or not at all; into a device or a pipe.
#pragma once

#include <filesystem>
#include <string_view>

namespace regroup {

// Throws kFailed, for example on a full disk or where the folder is missing; then the old file is still there.
void replace_file(const std::filesystem::path& path, std::string_view text);

}  // namespace regroup
