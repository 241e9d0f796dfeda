#include "runtime/file/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/file/bad_file.h"

namespace regroup {

namespace {

ErrorCode code_of(int error) {
  return error == ENOMEM ? ErrorCode::kOutOfMemory : ErrorCode::kFailed;
}

[[noreturn]] void fail_to_open(const std::filesystem::path& path, int error) {
  throw_error(code_of(error), "cannot open '{}': {}", escaped(path.string(), kShownPathBytes), std::strerror(error));
}

[[noreturn]] void refuse_special_file(const std::filesystem::path& path) {
  bad_file(path.string(), "is a device, pipe or socket where a regular file was expected");
}

// Closes the descriptor on every way out; the mapping does not need it.
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

}  // namespace

MappedFile MappedFile::open(const std::filesystem::path& path) {
  // Without O_NONBLOCK a named pipe would block here for ever.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  // What sockets answer, and devices that nothing stands behind.
  if (file.value < 0 && (errno == ENXIO || errno == ENODEV)) refuse_special_file(path);
  if (file.value < 0) fail_to_open(path, errno);
  struct stat status = {};
  if (::fstat(file.value, &status) != 0) fail_to_open(path, errno);
  if (S_ISDIR(status.st_mode)) bad_file(path.string(), "is a directory where a file was expected");
  if (!S_ISREG(status.st_mode)) refuse_special_file(path);

  const auto size_bytes = static_cast<std::size_t>(status.st_size);
  if (size_bytes == 0) return MappedFile(path, {});  // an empty mapping is an error to the system
  void* address = ::mmap(nullptr, size_bytes, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    throw_error(code_of(error), "cannot map '{}' ({} bytes) into memory: {}", escaped(path.string(), kShownPathBytes),
                size_bytes, std::strerror(error));
  }
  // Advice only: reading ahead is what loading wants, and a system that refuses it still works.
  (void)::madvise(address, size_bytes, MADV_SEQUENTIAL);
  return MappedFile(path, {static_cast<const std::byte*>(address), size_bytes});
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  // munmap wants a writable pointer type though the pages were never writable.
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

bool MappedFile::contains(std::span<const std::byte> part) const {
  const std::less_equal<const std::byte*> not_after;
  return !bytes_.empty() && not_after(bytes_.data(), part.data()) &&
         not_after(part.data() + part.size(), bytes_.data() + bytes_.size());
}

void MappedFile::release_pages(std::span<const std::byte> part) const {
  REGROUP_CHECK(part.empty() || contains(part));
  const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  // The mapping starts on a page, so offsets inside it tell where pages start.
  const auto begin = static_cast<std::size_t>(part.data() - bytes_.data());
  const std::size_t first = (begin + page_bytes - 1) / page_bytes * page_bytes;
  const std::size_t last = (begin + part.size()) / page_bytes * page_bytes;
  if (part.empty() || first >= last) return;
  (void)::madvise(const_cast<std::byte*>(bytes_.data()) + first, last - first, MADV_DONTNEED);
}

}  // namespace regroup
