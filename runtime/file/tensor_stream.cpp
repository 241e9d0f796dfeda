#include "runtime/file/tensor_stream.h"

#include <algorithm>
#include <array>

#include "runtime/core/error.h"

namespace regroup {

void TensorStream::write(std::string_view name, std::span<const std::byte> bytes) {
  REGROUP_CHECK(current_ < slots_.size() && slots_[current_].name == name);
  const Slot& slot = slots_[current_];
  REGROUP_CHECK(bytes.size() <= slot.size_bytes - current_bytes_);
  pad_to(slot.offset_bytes + current_bytes_);
  file_.write(bytes);
  data_bytes_ += bytes.size();
  current_bytes_ += bytes.size();
  if (current_bytes_ == slot.size_bytes) {
    ++current_;
    current_bytes_ = 0;
  }
}

void TensorStream::finish(std::uint64_t data_bytes) {
  REGROUP_CHECK(current_ == slots_.size());
  pad_to(data_bytes);
}

void TensorStream::pad_to(std::uint64_t offset_bytes) {
  static constexpr std::array<std::byte, 4096> kZeros = {};
  REGROUP_CHECK(offset_bytes >= data_bytes_);
  while (data_bytes_ < offset_bytes) {
    const std::uint64_t count = std::min<std::uint64_t>(kZeros.size(), offset_bytes - data_bytes_);
    file_.write(std::span(kZeros).first(count));
    data_bytes_ += count;
  }
}

}  // namespace regroup
