// The only way Vulkan enters the library: the C header, owned handles, and results turned into errors.
#pragma once

#include <vulkan/vulkan.h>

#include <string>
#include <string_view>
#include <utility>

namespace regroup {

// The enumerator's name without VK_, e.g. "ERROR_DEVICE_LOST".
std::string result_name(VkResult result);

// Throws Error when `result` is not a success: kDeviceLost, kOutOfMemory, kNoDevice or kFailed; `what` says what was
// attempted.
void check_result(VkResult result, std::string_view what);

// Sole owner of one object of a device. Destroy is the vkDestroy*/vkFree* function.
template <typename T, auto Destroy>
class DeviceHandle {
 public:
  DeviceHandle() = default;
  DeviceHandle(VkDevice device, T handle) : device_(device), handle_(handle) {}
  DeviceHandle(DeviceHandle&& other) noexcept
      : device_(other.device_), handle_(std::exchange(other.handle_, T{VK_NULL_HANDLE})) {}
  DeviceHandle& operator=(DeviceHandle&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~DeviceHandle() {
    if (handle_ != VK_NULL_HANDLE) Destroy(device_, handle_, nullptr);
  }
  T get() const { return handle_; }
  explicit operator bool() const { return handle_ != VK_NULL_HANDLE; }

 private:
  VkDevice device_ = VK_NULL_HANDLE;
  T handle_ = VK_NULL_HANDLE;
};

using BufferHandle = DeviceHandle<VkBuffer, vkDestroyBuffer>;
using BufferViewHandle = DeviceHandle<VkBufferView, vkDestroyBufferView>;
using MemoryHandle = DeviceHandle<VkDeviceMemory, vkFreeMemory>;
using PipelineHandle = DeviceHandle<VkPipeline, vkDestroyPipeline>;
using PipelineLayoutHandle = DeviceHandle<VkPipelineLayout, vkDestroyPipelineLayout>;
using SetLayoutHandle = DeviceHandle<VkDescriptorSetLayout, vkDestroyDescriptorSetLayout>;
using DescriptorPoolHandle = DeviceHandle<VkDescriptorPool, vkDestroyDescriptorPool>;
using ShaderModuleHandle = DeviceHandle<VkShaderModule, vkDestroyShaderModule>;
using CommandPoolHandle = DeviceHandle<VkCommandPool, vkDestroyCommandPool>;
using FenceHandle = DeviceHandle<VkFence, vkDestroyFence>;
using QueryPoolHandle = DeviceHandle<VkQueryPool, vkDestroyQueryPool>;
using PipelineCacheHandle = DeviceHandle<VkPipelineCache, vkDestroyPipelineCache>;

}  // namespace regroup
