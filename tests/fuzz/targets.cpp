#include "tests/fuzz/targets.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "runtime/core/error.h"

namespace regroup::test {

namespace fs = std::filesystem;

void may_refuse(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string_view message = error.what();
    const bool clean = std::none_of(message.begin(), message.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (!clean || message.empty() || message.size() > 2000) {
      throw std::logic_error("a refusal that is not one clean line: " + escaped(message, 4000));
    }
    if (error.code() != ErrorCode::kBadModel && error.code() != ErrorCode::kUsage) {
      throw std::logic_error("a refusal with the wrong code: " + std::string(message));
    }
  }
}

namespace {

struct ScratchFolder {
  ScratchFolder() {
    const fs::path memory = "/dev/shm";
    std::error_code error;
    path = (fs::is_directory(memory, error) ? memory : fs::temp_directory_path()) /
           ("regroup-fuzz-" + std::to_string(getpid()));
    fs::create_directories(path);
  }
  ~ScratchFolder() {
    std::error_code error;
    fs::remove_all(path, error);
  }
  fs::path path;
};

}  // namespace

const fs::path& scratch_folder() {
  static const ScratchFolder folder;
  return folder.path;
}

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace regroup::test
