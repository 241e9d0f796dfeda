// Reads little-endian numbers and counted strings from bytes that nobody vouches for. Every length is compared with the
// bytes left before it is used.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "runtime/file/bad_file.h"

namespace regroup {

static_assert(std::endian::native == std::endian::little,
              "model files are little-endian and are read without swapping");

class ByteCursor {
 public:
  // Reads at most `limit_bytes` of `bytes`. `file` must outlive the cursor; it is named in errors.
  ByteCursor(std::span<const std::byte> bytes, std::string_view file, std::uint64_t limit_bytes)
      : bytes_(bytes), file_(file), end_(std::min<std::uint64_t>(bytes.size(), limit_bytes)) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t left() const { return end_ - position_; }
  std::string_view file() const { return file_; }

  // What is being read, for errors: "tensor 'x'". Empty for the header.
  void enter(std::string place) { place_ = std::move(place); }

  template <typename T>
  T read(std::string_view field) {
    T value;
    std::memcpy(&value, take(sizeof(T), field).data(), sizeof(T));
    return value;
  }

  // A u64 length and that many bytes, which stay in the file.
  std::string_view string(std::string_view field) {
    const std::span<const std::byte> text = take(read<std::uint64_t>(field), field);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }

  std::span<const std::byte> take(std::uint64_t count, std::string_view field) {
    if (count > left()) {
      if (count <= bytes_.size() - position_) fail("{} ends past the {} bytes that metadata may have", field, end_);
      fail("{} needs {} bytes at offset {}, the file has {} left; it is truncated or damaged, fetch it again", field,
           count, position_, left());
    }
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  // Throws kBadModel "FILE: PLACE: PROBLEM".
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    const std::string problem = fmt::format(format, std::forward<Args>(args)...);
    bad_file(file_, "{}{}{}", place_, place_.empty() ? "" : ": ", problem);
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view file_;
  std::uint64_t end_;
  std::uint64_t position_ = 0;
  std::string place_;
};

}  // namespace regroup
