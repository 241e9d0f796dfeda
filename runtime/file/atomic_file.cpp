#include "runtime/file/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/file/bad_file.h"

namespace regroup {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

[[noreturn]] void refuse_existing(const std::filesystem::path& target) {
  throw_error(ErrorCode::kUsage, "cannot write '{}': it exists already; give another name or --force",
              escaped(target.string(), kShownPathBytes));
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// 0, or errno: EEXIST when there is such a name.
int rename_to_new(const std::filesystem::path& from, const std::filesystem::path& to) {
#ifdef RENAME_NOREPLACE
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno == EEXIST) return errno;
#endif
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  ::unlink(from.c_str());
  return 0;
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path target, Overwrite overwrite)
    : target_(std::move(target)), overwrite_(overwrite) {
  namespace fs = std::filesystem;
  std::error_code unused;
  if (const auto own = fs::symlink_status(target_, unused); fs::exists(own)) {
    if (overwrite_ == Overwrite::kNo) refuse_existing(target_);
    const auto status = fs::status(target_, unused);
    if (fs::is_directory(status)) fail("write", EISDIR);
    if (fs::exists(status) && !fs::is_regular_file(status)) {
      throw_error(ErrorCode::kUsage, "cannot write '{}': it is a device or a pipe, which a file would replace",
                  escaped(target_.string(), kShownPathBytes));
    }
    // A link stays: what it points to is replaced.
    if (fs::is_symlink(own) && fs::exists(status)) target_ = fs::canonical(target_);
  }
  temporary_ = folder_of(target_) / fmt::format(".{}.{}.tmp", target_.filename().string(), ::getpid());
  buffer_.reserve(kBufferBytes);  // before there is a file that a failure would leave
  // O_EXCL: never through a link or over a file that somebody else put there.
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0 && errno == EEXIST) {  // left by a killed process of the same number
    ::unlink(temporary_.c_str());
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  }
  if (file_ < 0) fail("write", errno);
}

AtomicFile::~AtomicFile() {
  if (file_ >= 0) ::close(file_);
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* action, int error) const {
  throw_error(ErrorCode::kFailed, "cannot {} '{}': {}", action, escaped(target_.string(), kShownPathBytes),
              std::strerror(error));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  REGROUP_CHECK(file_ >= 0);
  written_bytes_ += bytes.size();
  if (buffer_.size() + bytes.size() > kBufferBytes) flush();
  if (bytes.size() >= kBufferBytes) {
    write_through(bytes);
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
}

void AtomicFile::flush() {
  write_through(buffer_);
  buffer_.clear();
}

void AtomicFile::write_through(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    in_file_bytes_ += static_cast<std::uint64_t>(count);
  }
#ifdef __linux__
  // The disk begins now, so that close() has little to wait for. Advice only.
  constexpr std::uint64_t kAtOnceBytes = std::uint64_t{32} << 20;
  if (in_file_bytes_ >= on_its_way_bytes_ + kAtOnceBytes) {
    (void)::sync_file_range(file_, static_cast<off_t>(on_its_way_bytes_),
                            static_cast<off_t>(in_file_bytes_ - on_its_way_bytes_), SYNC_FILE_RANGE_WRITE);
    on_its_way_bytes_ = in_file_bytes_;
  }
#endif
}

void AtomicFile::write_over(std::uint64_t offset, std::span<const std::byte> bytes) {
  REGROUP_CHECK(file_ >= 0 && offset + bytes.size() <= written_bytes_);
  flush();
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

void AtomicFile::close() {
  REGROUP_CHECK(file_ >= 0);
  flush();
  if (::fsync(file_) != 0) fail("write", errno);
  if (::close(std::exchange(file_, -1)) != 0) fail("write", errno);
}

void AtomicFile::commit() {
  REGROUP_CHECK(file_ < 0 && !committed_);
  const std::filesystem::path folder_path = folder_of(target_);
  if (overwrite_ == Overwrite::kNo) {
    // The name may have come into being meanwhile, and a plain rename would replace it.
    if (const int error = rename_to_new(temporary_, target_); error == EEXIST) {
      refuse_existing(target_);
    } else {
      committed_ = error == 0;
    }
  }
  if (!committed_) {  // also file systems that cannot do the above
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("name", errno);
    committed_ = true;
  }
  // The new name itself reaches the disk with its folder; systems that cannot do that lose nothing else.
  const int folder = ::open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    (void)::fsync(folder);
    ::close(folder);
  }
}

}  // namespace regroup
