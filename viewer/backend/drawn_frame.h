// What a screen shows, as a number: a frame that would look the same need not be drawn.
#pragma once

#include <cstdint>

struct ImDrawData;

namespace regroup::view {

// Of everything that decides what the frame looks like. The draw data's textures must not change unless the caller
// draws anyway.
std::uint64_t digest(const ImDrawData& data);

}  // namespace regroup::view
