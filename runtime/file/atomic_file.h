// A file that gets its name only when it is whole: written to a temporary beside the target, flushed to the disk, then
// renamed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace regroup {

enum class Overwrite { kNo, kYes };

// Usage: write() any number of times, close(), look at temporary() if you like, commit(). Without commit() nothing is
// left behind.
class AtomicFile {
 public:
  // Throws kUsage when the target is there and may not be overwritten, or is a device or a pipe; kFailed when the
  // temporary cannot be made.
  AtomicFile(std::filesystem::path target, Overwrite overwrite);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Throws kFailed, for example on a full disk.
  void write(std::span<const std::byte> bytes);
  // Replaces bytes that were written.
  void write_over(std::uint64_t offset, std::span<const std::byte> bytes);
  std::uint64_t written_bytes() const { return written_bytes_; }

  // Everything written reaches the disk.
  void close();
  // After close(): gives the file its name.
  void commit();

  const std::filesystem::path& target() const { return target_; }
  const std::filesystem::path& temporary() const { return temporary_; }

 private:
  void flush();
  void write_through(std::span<const std::byte> bytes);
  [[noreturn]] void fail(const char* action, int error) const;

  std::filesystem::path target_, temporary_;
  Overwrite overwrite_;
  int file_ = -1;
  bool committed_ = false;
  std::uint64_t written_bytes_ = 0;
  std::uint64_t in_file_bytes_ = 0, on_its_way_bytes_ = 0;  // the disk was asked to begin with the latter
  std::vector<std::byte> buffer_;
};

}  // namespace regroup
