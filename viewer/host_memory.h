// The host memory that the program holds. A CPU driver's "device memory" is the host's: sessions and groupings that
// come and go for hours must leave nothing behind.
#pragma once

#include <cstdint>

namespace regroup::view {

// Large blocks go back to the system as soon as they are freed. To be called once, at the start.
void give_freed_memory_back();

// What is resident, all told.
std::uint64_t resident_bytes();
// What the program and its libraries hold of the allocator's memory, 0 where nobody tells; the rest of what is resident
// is code, stacks, and freed memory that the allocator keeps.
std::uint64_t heap_bytes();

}  // namespace regroup::view
