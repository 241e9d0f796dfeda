// Small JSON files that only save work or keep tastes: what earlier runs found out about a device, how the window was
// left. They are untrusted, and nothing depends on them: one that is absent, too large or damaged counts as absent, and
// one that cannot be written is not written.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace regroup {

// Hands the document to `take`. False, without a message, where there is no such document of at most `max_bytes` or
// `take` threw: the caller then drops what `take` may have left half read.
bool read_json_cache(const std::filesystem::path& path, std::size_t max_bytes,
                     const std::function<void(const nlohmann::json&)>& take);

// Makes the folder as well. Failures are silent.
void write_json_cache(const std::filesystem::path& path, std::string_view text);

}  // namespace regroup
