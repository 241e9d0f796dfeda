// Device memory: an Arena owns blocks and hands out buffers that are destroyed together with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/gpu/faults.h"
#include "runtime/gpu/spirv_reflection.h"
#include "runtime/gpu/vulkan.h"

namespace regroup {

class Device;

// Where a buffer should live.
enum class MemoryUse {
  kDevice,    // read and written by shaders; mapped when the device shares memory with the host
  kUpload,    // written by the host, read by the device; always mapped
  kReadback,  // written by the device, read by the host; always mapped, cached where offered
};

// How its buffers are used.
enum class Filling {
  kWhole,    // all of it soon: CPU drivers get large pages
  kGradual,  // from the front, perhaps never to the end: pages that nothing touches take no memory there
};

// A buffer bound to arena memory, usable as storage buffer, uniform texel buffer and transfer source or target. Not
// copyable; its Arena owns it.
class Buffer {
 public:
  std::uint64_t size_bytes() const { return size_bytes_; }
  VkBuffer handle() const { return handle_.get(); }
  // Host address, or nullptr for memory that the host cannot reach.
  std::byte* mapped() const { return mapped_; }
  const std::string& name() const { return name_; }
  // The texel view of a range of 16-byte elements, made on first use. Thread-safe: sessions in several threads record
  // dispatches that read the same weights.
  VkBufferView texel_view(BindingKind kind, std::uint64_t offset, std::uint64_t bytes) const;

 private:
  friend class Arena;
  VkDevice device_ = VK_NULL_HANDLE;
  FaultPlan* faults_ = nullptr;
  BufferHandle handle_;
  std::uint64_t size_bytes_ = 0;
  std::byte* mapped_ = nullptr;
  std::string name_;
  mutable std::mutex views_mutex_;
  mutable std::map<std::tuple<BindingKind, std::uint64_t, std::uint64_t>, BufferViewHandle> views_;
};

// A non-owning piece of a buffer. Offsets are multiples of Device::offset_alignment().
struct BufferView {
  const Buffer* buffer = nullptr;
  std::uint64_t offset_bytes = 0;
  std::uint64_t size_bytes = 0;

  BufferView() = default;
  BufferView(const Buffer& whole)
      : buffer(&whole), size_bytes(whole.size_bytes()) {}  // NOLINT: a buffer is a view of itself
  BufferView(const Buffer& part, std::uint64_t offset, std::uint64_t bytes)
      : buffer(&part), offset_bytes(offset), size_bytes(bytes) {}
  explicit operator bool() const { return buffer != nullptr; }
};

// Sub-allocates buffers from blocks no larger than the device's limits. Everything is freed with the arena; buffers
// keep their address.
class Arena {
 public:
  Arena(Device& device, MemoryUse use, std::string name, Filling filling = Filling::kWhole);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `bytes` >= 1, rounded up to 16. Throws kOutOfMemory, also when one buffer would exceed maxMemoryAllocationSize or
  // maxStorageBufferRange (split such tensors at rows). Contents are undefined.
  Buffer& buffer(std::uint64_t bytes, std::string_view name);

  // Bytes taken from the driver so far.
  std::uint64_t allocated_bytes() const { return allocated_bytes_; }
  // Bytes asked for by buffers so far (rounded to 16 each).
  std::uint64_t requested_bytes() const { return requested_bytes_; }

 private:
  struct Block {
    MemoryHandle memory;
    std::uint64_t size = 0;
    std::uint64_t used = 0;
    std::uint32_t type = 0;
    std::byte* mapped = nullptr;
  };
  Block& block_for(const VkMemoryRequirements& requirements);

  Device& device_;
  MemoryUse use_;
  Filling filling_;
  std::string name_;
  std::uint64_t allocated_bytes_ = 0;
  std::uint64_t requested_bytes_ = 0;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::deque<std::unique_ptr<Buffer>> buffers_;
};

}  // namespace regroup
