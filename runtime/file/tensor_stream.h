// Takes the data of planned tensors in order and in pieces of any size, and writes it where each belongs. Used by both
// writers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/file/atomic_file.h"

namespace regroup {

class TensorStream {
 public:
  struct Slot {
    std::string name;
    std::uint64_t offset_bytes;  // from the start of the data, ascending; gaps are filled with zeros
    std::uint64_t size_bytes;
  };

  TensorStream(AtomicFile& file, std::vector<Slot> slots) : file_(file), slots_(std::move(slots)) {}

  // The next bytes of tensor `name`, which must be the one whose turn it is. Throws std::logic_error when it is not or
  // the bytes are more than the tensor has, kFailed when the disk refuses.
  void write(std::string_view name, std::span<const std::byte> bytes);
  // Zeros up to `data_bytes`. Throws std::logic_error when a tensor is not complete.
  void finish(std::uint64_t data_bytes);

 private:
  void pad_to(std::uint64_t offset_bytes);

  AtomicFile& file_;
  std::vector<Slot> slots_;
  std::size_t current_ = 0;
  std::uint64_t current_bytes_ = 0;  // of the current tensor
  std::uint64_t data_bytes_ = 0;     // in all
};

}  // namespace regroup
