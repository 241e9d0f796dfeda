#include "runtime/gpu/buffer.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/gpu/device.h"
#include "runtime/gpu/huge_pages.h"

namespace regroup {
namespace {

// Small arenas (a test's, a session's) must not take a large block; large ones must not take many small blocks.
constexpr std::uint64_t kFirstBlockBytes = 1u << 20;
constexpr std::uint64_t kLargestOwnBlockBytes = 1u << 26;

}  // namespace

VkBufferView Buffer::texel_view(BindingKind kind, std::uint64_t offset, std::uint64_t bytes) const {
  const std::lock_guard lock(views_mutex_);
  BufferViewHandle& view = views_[{kind, offset, bytes}];
  if (!view) {
    VkBufferViewCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO};
    info.buffer = handle_.get();
    info.format = kind == BindingKind::kTexelFloat ? VK_FORMAT_R32G32B32A32_SFLOAT : VK_FORMAT_R32G32B32A32_UINT;
    info.offset = offset;
    info.range = bytes;
    VkBufferView handle = VK_NULL_HANDLE;
    check_result(REGROUP_VK(faults_, CreateBufferView, device_, &info, nullptr, &handle),
                 "creating a texel view of " + name_);
    view = BufferViewHandle(device_, handle);
  }
  return view.get();
}

Arena::Arena(Device& device, MemoryUse use, std::string name, Filling filling)
    : device_(device), use_(use), filling_(filling), name_(std::move(name)) {}

Arena::~Arena() {
  device_.note_freed(allocated_bytes_);
}

Buffer& Arena::buffer(std::uint64_t bytes, std::string_view name) {
  REGROUP_CHECK(bytes > 0);
  bytes = (bytes + 15) / 16 * 16;
  const DeviceFeatures& limits = device_.features();
  if (bytes > limits.max_storage_buffer_range || bytes > limits.max_allocation_bytes) {
    throw_error(
        ErrorCode::kOutOfMemory,
        "{}: a buffer of {} bytes exceeds this device's limits (maxStorageBufferRange {}, maxMemoryAllocationSize {})",
        name, bytes, limits.max_storage_buffer_range, limits.max_allocation_bytes);
  }
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  VkBuffer handle = VK_NULL_HANDLE;
  check_result(REGROUP_VK(device_.faults(), CreateBuffer, device_.handle(), &info, nullptr, &handle),
               fmt::format("creating buffer {}", name));
  auto owned = std::make_unique<Buffer>();
  owned->device_ = device_.handle();
  owned->faults_ = device_.faults();
  owned->handle_ = BufferHandle(device_.handle(), handle);
  owned->size_bytes_ = bytes;
  owned->name_ = name;

  VkMemoryRequirements requirements{};
  vkGetBufferMemoryRequirements(device_.handle(), handle, &requirements);
  Block& block = block_for(requirements);
  const std::uint64_t offset =
      (block.used + requirements.alignment - 1) / requirements.alignment * requirements.alignment;
  check_result(REGROUP_VK(device_.faults(), BindBufferMemory, device_.handle(), handle, block.memory.get(), offset),
               fmt::format("binding memory to buffer {}", name));
  block.used = offset + requirements.size;
  owned->mapped_ = block.mapped == nullptr ? nullptr : block.mapped + offset;
  requested_bytes_ += bytes;
  buffers_.push_back(std::move(owned));
  return *buffers_.back();
}

Arena::Block& Arena::block_for(const VkMemoryRequirements& requirements) {
  for (const auto& block : blocks_) {
    const bool allowed = (requirements.memoryTypeBits >> block->type & 1u) != 0;
    const std::uint64_t offset =
        (block->used + requirements.alignment - 1) / requirements.alignment * requirements.alignment;
    if (allowed && offset + requirements.size <= block->size) return *block;
  }
  // Blocks double, so that few are needed and little is wasted; a large buffer gets a block of its own size.
  const std::uint64_t growth = std::clamp<std::uint64_t>(
      allocated_bytes_, kFirstBlockBytes,
      std::min<std::uint64_t>(kLargestOwnBlockBytes, device_.features().max_allocation_bytes));
  auto block = std::make_unique<Block>();
  block->size = std::max<std::uint64_t>(requirements.size, requirements.size * 4 > growth ? requirements.size : growth);
  block->type = device_.memory_type(requirements.memoryTypeBits, use_);
  VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  info.allocationSize = block->size;
  info.memoryTypeIndex = block->type;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  check_result(REGROUP_VK(device_.faults(), AllocateMemory, device_.handle(), &info, nullptr, &memory),
               fmt::format("allocating {:.1f} MiB of device memory for {}",
                           static_cast<double>(block->size) / 1048576.0, name_));
  block->memory = MemoryHandle(device_.handle(), memory);
  if (device_.is_host_visible(block->type)) {
    void* address = nullptr;
    check_result(REGROUP_VK(device_.faults(), MapMemory, device_.handle(), memory, 0, VK_WHOLE_SIZE, 0, &address),
                 "mapping device memory of " + name_);
    block->mapped = static_cast<std::byte*>(address);
    if (filling_ == Filling::kWhole && device_.info().type == DeviceType::kCpu) {
      advise_huge_pages(block->mapped, block->size);
    }
  }
  allocated_bytes_ += block->size;
  device_.note_allocated(block->size);
  blocks_.push_back(std::move(block));
  return *blocks_.back();
}

}  // namespace regroup
