#include "runtime/file/replace_file.h"

#include <fstream>
#include <span>

#include "runtime/core/error.h"
#include "runtime/file/atomic_file.h"
#include "runtime/file/bad_file.h"

namespace regroup {
namespace {

// /dev/stdout, a pipe of the shell: nothing that could be replaced.
bool is_stream(const std::filesystem::path& path) {
  std::error_code unused;
  const auto status = std::filesystem::status(path, unused);
  return std::filesystem::is_character_file(status) || std::filesystem::is_fifo(status);
}

void write_into(const std::filesystem::path& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw_error(ErrorCode::kFailed, "cannot write '{}'", escaped(path.string(), kShownPathBytes));
}

}  // namespace

void replace_file(const std::filesystem::path& path, std::string_view text) {
  if (is_stream(path)) return write_into(path, text);
  AtomicFile file(path, Overwrite::kYes);
  file.write(std::as_bytes(std::span(text)));
  file.close();
  file.commit();
}

}  // namespace regroup
