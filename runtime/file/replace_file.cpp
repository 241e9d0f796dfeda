#include "runtime/file/replace_file.h"

#include <span>

#include "runtime/file/atomic_file.h"

namespace regroup {

void replace_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path, Overwrite::kYes);
  file.write(std::as_bytes(std::span(text)));
  file.close();
  file.commit();
}

}  // namespace regroup
