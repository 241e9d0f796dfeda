#include "runtime/gpu/transfer.h"

#include <algorithm>
#include <cstring>

#include "runtime/core/error.h"
#include "runtime/gpu/command_list.h"

namespace regroup {
namespace {

constexpr std::uint64_t kStagingBytes = 16u << 20;

}  // namespace

void upload_with(Device& device, const Buffer& to, std::uint64_t size_bytes,
                 const std::function<void(std::uint64_t, std::span<std::byte>)>& fill, std::uint64_t piece_multiple) {
  REGROUP_CHECK(size_bytes <= to.size_bytes());
  // A piece holds at least one unit (a panel may be larger than the staging size).
  const std::uint64_t piece = std::max(piece_multiple, kStagingBytes / piece_multiple * piece_multiple);
  if (to.mapped() != nullptr) {
    for (std::uint64_t at = 0; at < size_bytes; at += piece) {
      fill(at, {to.mapped() + at, std::min(piece, size_bytes - at)});
    }
    return;
  }
  Arena staging_arena(device, MemoryUse::kUpload, "staging");
  const Buffer& staging = staging_arena.buffer(std::min(piece, size_bytes), "staging");
  CommandList list(device);
  for (std::uint64_t at = 0; at < size_bytes; at += piece) {
    const std::uint64_t count = std::min(piece, size_bytes - at);
    fill(at, {staging.mapped(), count});
    list.reset();
    list.copy(BufferView(staging, 0, count), BufferView(to, at, count));
    list.run();
  }
}

void upload(Device& device, const Buffer& to, std::span<const std::byte> bytes, std::uint64_t offset_bytes) {
  if (bytes.empty()) return;
  REGROUP_CHECK(offset_bytes + bytes.size() <= to.size_bytes());
  if (to.mapped() != nullptr) {
    std::memcpy(to.mapped() + offset_bytes, bytes.data(), bytes.size());
    return;
  }
  Arena staging_arena(device, MemoryUse::kUpload, "staging");
  const std::uint64_t piece = std::min<std::uint64_t>(kStagingBytes, bytes.size());
  const Buffer& staging = staging_arena.buffer(piece, "staging");
  CommandList list(device);
  for (std::uint64_t at = 0; at < bytes.size(); at += piece) {
    const std::uint64_t count = std::min<std::uint64_t>(piece, bytes.size() - at);
    std::memcpy(staging.mapped(), bytes.data() + at, count);
    list.reset();
    list.copy(BufferView(staging, 0, count), BufferView(to, offset_bytes + at, count));
    list.run();
  }
}

void download(Device& device, const BufferView& from, std::span<std::byte> out) {
  if (out.empty()) return;
  REGROUP_CHECK(from.offset_bytes + out.size() <= from.buffer->size_bytes());
  if (from.buffer->mapped() != nullptr) {
    std::memcpy(out.data(), from.buffer->mapped() + from.offset_bytes, out.size());
    return;
  }
  Arena staging_arena(device, MemoryUse::kReadback, "staging");
  const std::uint64_t piece = std::min<std::uint64_t>(kStagingBytes, out.size());
  const Buffer& staging = staging_arena.buffer(piece, "staging");
  CommandList list(device);
  for (std::uint64_t at = 0; at < out.size(); at += piece) {
    const std::uint64_t count = std::min<std::uint64_t>(piece, out.size() - at);
    list.reset();
    list.copy(BufferView(*from.buffer, from.offset_bytes + at, count), BufferView(staging, 0, count));
    list.run();
    std::memcpy(out.data() + at, staging.mapped(), count);
  }
}

}  // namespace regroup
