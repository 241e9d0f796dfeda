#include "viewer/host_memory.h"

#include <unistd.h>

#include <fstream>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace regroup::view {

void give_freed_memory_back() {
#ifdef __GLIBC__
  // By default glibc raises the size from which a block is a mapping of its own to that of the largest one ever freed,
  // up to 32 MiB. Caches and scratch of a few MiB then come from the threads' heaps, between small long-lived blocks
  // (kernels, the driver's compiler), and what was resident rose for as long as G was turned, with no more of it in
  // use.
  constexpr int kOwnMappingBytes = 256 * 1024;
  mallopt(M_MMAP_THRESHOLD, kOwnMappingBytes);
#endif
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t heap_bytes() {
#ifdef __GLIBC__
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

}  // namespace regroup::view
