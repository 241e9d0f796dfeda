// The file names of split GGUF models: PREFIX-00001-of-00003.gguf.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace regroup {

struct SplitName {
  std::string prefix;    // in front of "-00001-of-00003.gguf"
  std::uint32_t number;  // from 1
  std::uint32_t count;
};

// Nothing when `file_name` (without folder) does not follow the pattern, or its number is not in 1..count.
std::optional<SplitName> parse_split_name(std::string_view file_name);

// The file name of shard `number` (from 1) of `count`.
std::string make_split_name(std::string_view prefix, std::uint32_t number, std::uint32_t count);

}  // namespace regroup
