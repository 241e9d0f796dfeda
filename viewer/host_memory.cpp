#include "viewer/host_memory.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
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
  // What every frame and every token allocates and frees must not be fetched from the system each time.
  constexpr int kKeptBytes = 32 * 1024 * 1024;
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
#endif
}

void give_back_now() {
#ifdef __GLIBC__
  // A driver's compiler frees most of what it used, in the middle of its thread's heap: sessions that come later would
  // be put there, in memory that is resident whether they use it or not, and what is resident rises with every device
  // that is opened again.
  malloc_trim(0);
#endif
}

namespace {

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// Executable mappings without a file behind them.
std::uint64_t compiled_bytes() {
  std::ifstream maps("/proc/self/smaps");
  std::uint64_t kilobytes = 0;
  bool counts = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string first, second, offset, device, inode, path;
    words >> first >> second;
    if (first.find('-') != std::string::npos) {  // "begin-end r-xp offset device inode path"
      words >> offset >> device >> inode >> path;
      counts = second.find('x') != std::string::npos && path.empty();
    } else if (counts && first == "Rss:") {
      kilobytes += std::strtoull(second.c_str(), nullptr, 10);
    }
  }
  return kilobytes * 1024;
}

}  // namespace

HostMemory host_memory() {
  HostMemory memory{.resident = resident_bytes(), .compiled = compiled_bytes()};
#ifdef __GLIBC__
  const auto info = mallinfo2();
  memory.heap = info.uordblks + info.hblkhd;
  memory.freed = info.fordblks;
#endif
  return memory;
}

}  // namespace regroup::view
