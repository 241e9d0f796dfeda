// Base64 to bytes (RFC 4648), for binary fields of JSON files.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace regroup {

// Throws Error kBadModel for a character outside the alphabet or a wrong length.
std::vector<std::uint8_t> decode_base64(std::string_view text);

}  // namespace regroup
