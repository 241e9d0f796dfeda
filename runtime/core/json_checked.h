// JSON from files that nobody vouches for: nesting, size and number of values are bounded, duplicate keys and trailing
// text are errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/core/json.h"

namespace regroup {

inline constexpr std::size_t kMaxJsonDepth = 64;
inline constexpr std::size_t kMaxJsonBytes = std::size_t{256} << 20;
// A value costs some 16 to 80 bytes once parsed; a 262144-token tokenizer.json has about 2 million.
inline constexpr std::size_t kMaxJsonValues = std::size_t{5} << 20;

// The document in `text`. `what` names it in errors (a file name; it is escaped here).
// Throws Error kBadModel naming `what`, line, column (both from 1, columns in bytes) and what is wrong there, on one
// line.
nlohmann::json parse_json_checked(std::string_view text, std::string_view what, std::size_t max_bytes = kMaxJsonBytes,
                                  std::size_t max_values = kMaxJsonValues);

// Whether it is a whole number from 0 to `most`.
bool is_whole_number(const nlohmann::json& value, std::uint64_t most);

}  // namespace regroup
