// Whether a conversion may write where it is told to: asked before any work, and again when writing begins.
#pragma once

#include <cstdint>
#include <filesystem>

#include "runtime/file/atomic_file.h"
#include "runtime/file/model_file.h"

namespace regroup {

// `path` without separators at its end, and by its true name where it ends in "." or "..": temporaries stand beside it
// and are named after it.
std::filesystem::path named_path(const std::filesystem::path& path);

// Throws kUsage when `target` stands there and may not be overwritten, or is something that a file or directory of a
// model (`kind`) does not replace: --force takes the place of a directory that is empty, or that has config.json,
// weights and no directories in it.
void check_replaceable(const std::filesystem::path& target, ModelFileKind kind, Overwrite overwrite);

// Throws kUsage as check_replaceable, and when the input would be lost or written into, or the target's folder is not
// there.
void check_target(const ModelFile& source, const std::filesystem::path& target, ModelFileKind kind,
                  Overwrite overwrite);

// Throws kFailed when the disk of `target` has fewer than `bytes` left.
void check_space(const std::filesystem::path& target, std::uint64_t bytes);

}  // namespace regroup
