// Reads the values of GGUF key/value pairs from the file's bytes.
#pragma once

#include "runtime/file/byte_cursor.h"
#include "runtime/file/gguf_metadata.h"

namespace regroup {

// One value of the type that the u32 at the cursor names. `items_left`: how many strings and inner arrays the file may
// still have (counted down). Throws kBadModel.
GgufValue read_gguf_value(ByteCursor& cursor, std::uint64_t& items_left);

}  // namespace regroup
