// The pipeline cache on disk. The file is untrusted input: its header and checksum are verified before the driver sees
// it.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "runtime/gpu/faults.h"
#include "runtime/gpu/instance.h"
#include "runtime/gpu/vulkan.h"

namespace regroup {

// <directory>/pipelines-<pipelineCacheUUID>-<driver version>.bin
std::filesystem::path pipeline_cache_path(const std::filesystem::path& directory, const DeviceInfo& info);

// The driver's data inside a cache file's bytes, when those are intact and made by this driver; otherwise nothing.
std::span<const char> verified_pipeline_cache(std::span<const char> file_bytes, const DeviceInfo& info);

// Writes into the header of a cache file's bytes what belongs there; leaves what is shorter than a header alone.
void seal_pipeline_cache(std::span<char> file_bytes);

// A cache filled from `file` when that is intact and made by this driver; otherwise (or with an empty path) an empty
// one.
PipelineCacheHandle load_pipeline_cache(VkDevice device, const DeviceInfo& info, const std::filesystem::path& file,
                                        FaultPlan* faults = nullptr);

// Writes beside and renames. Returns false when it could not be written.
bool store_pipeline_cache(VkDevice device, VkPipelineCache cache, const DeviceInfo& info,
                          const std::filesystem::path& file);

}  // namespace regroup
