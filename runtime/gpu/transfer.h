// Moving bytes between the host and device buffers, directly where memory is shared and through a staging buffer
// elsewhere.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "runtime/gpu/buffer.h"
#include "runtime/gpu/device.h"

namespace regroup {

// Copies `bytes` into the buffer at `offset_bytes` and returns when they are there.
void upload(Device& device, const Buffer& to, std::span<const std::byte> bytes, std::uint64_t offset_bytes = 0);

// Lets `fill` write `size_bytes` bytes straight into the buffer's memory, or into staging memory that is then copied,
// in pieces of at most 16 MiB: fill(offset within the range, piece). Spares a host copy of large tensors.
void upload_with(Device& device, const Buffer& to, std::uint64_t size_bytes,
                 const std::function<void(std::uint64_t, std::span<std::byte>)>& fill,
                 std::uint64_t piece_multiple = 16);

// Reads bytes back and returns when they are here.
void download(Device& device, const BufferView& from, std::span<std::byte> out);

template <typename T>
void upload_values(Device& device, const Buffer& to, std::span<const T> values, std::uint64_t offset_bytes = 0) {
  upload(device, to, std::as_bytes(values), offset_bytes);
}
template <typename T>
std::vector<T> download_values(Device& device, const BufferView& from, std::size_t count) {
  std::vector<T> values(count);
  download(device, BufferView(*from.buffer, from.offset_bytes, count * sizeof(T)),
           std::as_writable_bytes(std::span(values)));
  return values;
}

}  // namespace regroup
