// The host memory that the program holds. A CPU driver's "device memory" is the host's: sessions and groupings that
// come and go for hours must leave nothing behind.
#pragma once

#include <cstdint>

namespace regroup::view {

// Large blocks go back to the system as soon as they are freed. To be called once, at the start.
void give_freed_memory_back();
// The rest of what is free goes back too: for moments behind which much was freed.
void give_back_now();

// Where the program's memory is, in bytes; 0 where nobody tells.
struct HostMemory {
  std::uint64_t resident = 0;  // all told
  std::uint64_t heap = 0;      // what the program and its libraries hold of the allocator's memory
  std::uint64_t freed = 0;     // what the allocator keeps of it for the next ones
  std::uint64_t compiled = 0;  // machine code that a CPU driver made of shaders, resident
};
HostMemory host_memory();

}  // namespace regroup::view
