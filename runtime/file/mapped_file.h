// A regular file mapped read-only into memory. The operating system's calls are all in mapped_file.cpp.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace regroup {

// Owns the mapping; moving it keeps the bytes where they are. The file must not be shortened while it is mapped.
class MappedFile {
 public:
  // Follows symbolic links. Throws kFailed when the file cannot be opened or mapped, kBadModel when it is not a regular
  // file.
  static MappedFile open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  // Empty for an empty file.
  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

  bool contains(std::span<const std::byte> part) const;
  // The whole pages inside `part` (which must be contained) stop being resident; reading them again brings them back.
  void release_pages(std::span<const std::byte> part) const;

 private:
  MappedFile(std::filesystem::path path, std::span<const std::byte> bytes) : path_(std::move(path)), bytes_(bytes) {}

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace regroup
