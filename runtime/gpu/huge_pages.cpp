#include "runtime/gpu/huge_pages.h"

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace regroup {

void advise_huge_pages([[maybe_unused]] std::byte* first, [[maybe_unused]] std::uint64_t bytes) {
#ifdef __linux__
  // Less than two large pages (2 MiB on x86-64) may not hold a single aligned one.
  constexpr std::uint64_t kLeastBytes = 4u << 20;
  if (first == nullptr || bytes < kLeastBytes) return;
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(first);
  const std::uintptr_t begin = (address + page - 1) / page * page;
  const std::uintptr_t end = (address + bytes) / page * page;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // NOLINT: an address rounded to pages
#endif
}

}  // namespace regroup
