#include "runtime/file/json_cache.h"

#include <exception>
#include <fstream>
#include <string>

#include "runtime/core/json_checked.h"
#include "runtime/file/replace_file.h"

namespace regroup {

bool read_json_cache(const std::filesystem::path& path, std::size_t max_bytes,
                     const std::function<void(const nlohmann::json&)>& take) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error || size > max_bytes) return false;
  try {
    // Not to its end: it may be growing.
    std::string text(static_cast<std::size_t>(size), '\0');
    std::ifstream in(path, std::ios::binary);
    if (!in.read(text.data(), static_cast<std::streamsize>(text.size()))) return false;
    take(parse_json_checked(text, path.string(), max_bytes));
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

void write_json_cache(const std::filesystem::path& path, std::string_view text) {
  try {
    std::filesystem::create_directories(path.parent_path());
    replace_file(path, text);
  } catch (const std::exception&) {
    return;
  }
}

}  // namespace regroup
