// Base64 to bytes (RFC 4648), for binary fields of JSON files.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace regroup {

// Nothing for a character outside the alphabet or a wrong length.
std::optional<std::vector<std::uint8_t>> decode_base64(std::string_view text);

}  // namespace regroup
