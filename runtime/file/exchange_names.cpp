#include "runtime/file/exchange_names.h"

#include <fcntl.h>
#include <stdio.h>  // also what Linux and macOS declare in it beyond the standard

namespace regroup {

bool exchange_names([[maybe_unused]] const std::filesystem::path& a, [[maybe_unused]] const std::filesystem::path& b) {
#if defined(__linux__) && defined(RENAME_EXCHANGE)
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
#elif defined(__APPLE__) && defined(RENAME_SWAP)
  return ::renamex_np(a.c_str(), b.c_str(), RENAME_SWAP) == 0;
#else
  return false;
#endif
}

}  // namespace regroup
