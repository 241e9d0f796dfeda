// Says what a file that is no model looks like, so that the user knows what went wrong.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace regroup {

// A clause that follows "FILE: ": "is a Git LFS pointer, not the model itself; ...".
std::string describe_unknown_file(std::span<const std::byte> bytes);

}  // namespace regroup
