#include "runtime/gpu/device.h"

#include <unistd.h>

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/gpu/pipeline_cache.h"
#include "runtime/gpu/shader_table.h"
#include "runtime/gpu/spoil_shader.h"
#include "runtime/gpu/wake_lag.h"

namespace regroup {
namespace {

bool has_extension(VkPhysicalDevice device, std::string_view wanted) {
  std::uint32_t count = 0;
  vkEnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> list(count);
  vkEnumerateDeviceExtensionProperties(device, nullptr, &count, list.data());
  return std::any_of(list.begin(), list.end(),
                     [&](const VkExtensionProperties& extension) { return wanted == extension.extensionName; });
}

// The first family that takes graphics and compute commands; the specification promises one wherever graphics exists.
std::uint32_t graphics_family(VkPhysicalDevice device) {
  const std::vector<VkQueueFamilyProperties> families = queue_families(device);
  constexpr VkQueueFlags kBoth = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
  for (std::uint32_t i = 0; i < families.size(); ++i) {
    if ((families[i].queueFlags & kBoth) == kBoth) return i;
  }
  throw_error(ErrorCode::kNoDevice, "the device has no queue for graphics; it can compute, but not draw a window");
}

VkDescriptorType descriptor_type(BindingKind kind) {
  return kind == BindingKind::kStorageBuffer ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
                                             : VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
}

}  // namespace

std::unique_ptr<Device> Device::open(const Instance& instance, const DeviceOptions& options) {
  std::unique_ptr<Device> device(new Device);
  device->faults_ = options.faults;
  device->info_ = instance.choose(options.which);
  device->features_ = apply_mask(device->info_.features, options.mask);
  const VkPhysicalDevice physical = device->info_.handle;
  device->queue_family_ = options.graphics ? graphics_family(physical) : device->info_.compute_family;

  std::vector<const char*> extensions = options.extensions;
  device->has_memory_budget_ = has_extension(physical, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  if (device->has_memory_budget_) extensions.push_back(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  // The specification has it enabled wherever it is offered. Its name's macro is in a header of provisional extensions.
  constexpr const char* kPortabilitySubset = "VK_KHR_portability_subset";
  if (has_extension(physical, kPortabilitySubset)) extensions.push_back(kPortabilitySubset);

  const float priority = 1.0f;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = device->queue_family_;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  // No feature is enabled: what is not needed may be what a driver stumbles over.
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<std::uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  check_result(REGROUP_VK(device->faults_, CreateDevice, physical, &info, nullptr, &device->device_),
               fmt::format("opening device {}", device->info_.name));
  vkGetDeviceQueue(device->device_, device->queue_family_, 0, &device->queue_);
  device->finish_setup(options);
  return device;
}

std::unique_ptr<Device> Device::borrow(const BorrowedDevice& objects, const DeviceOptions& options) {
  std::unique_ptr<Device> device(new Device);
  device->faults_ = options.faults;
  device->info_ = describe_device(objects.physical);
  device->features_ = apply_mask(objects.enabled, options.mask);
  device->device_ = objects.device;
  device->owned_ = false;
  device->queue_ = objects.queue;
  device->queue_family_ = objects.queue_family;
  device->finish_setup(options);
  return device;
}

void Device::finish_setup(const DeviceOptions& options) {
  vkGetPhysicalDeviceMemoryProperties(info_.handle, &memory_);
  VkPhysicalDeviceProperties properties{};
  vkGetPhysicalDeviceProperties(info_.handle, &properties);
  offset_alignment_ = std::max<std::uint64_t>(
      {16, properties.limits.minStorageBufferOffsetAlignment, properties.limits.minTexelBufferOffsetAlignment});
  // Of the queue in use: the families of a device differ in this.
  const std::vector<VkQueueFamilyProperties> families = queue_families(info_.handle);
  if (queue_family_ < families.size()) timestamp_bits_ = families[queue_family_].timestampValidBits;
  if (faults_ != nullptr) faults_->device_opened();
  budget_.configure(options.max_submit_ms, info_.type == DeviceType::kCpu);
  if (options.worker_lag_us >= 0) {
    worker_lag_us_ = options.worker_lag_us;
  } else if (info_.type == DeviceType::kCpu && has_two_workers(info_.driver)) {
    worker_lag_us_ = wake_lag_us();
  }
  binds_driver_threads_ = options.owns_process && owned_ && info_.type == DeviceType::kCpu;
  spoiled_kernels_ = options.spoiled_kernels;
  cache_directory_ = options.cache_directory;
  if (!options.cache_directory.empty()) cache_file_ = pipeline_cache_path(options.cache_directory, info_);
  pipeline_cache_ = load_pipeline_cache(device_, info_, cache_file_, faults_);
}

Device::~Device() {
  if (device_ == VK_NULL_HANDLE) return;
  {
    const std::lock_guard lock(queue_mutex_);
    if (owned_) vkDeviceWaitIdle(device_);
  }
  try {
    save_pipeline_cache();
  } catch (const std::exception&) {  // no memory for it: the next program compiles again
  }
  kernels_.clear();
  pipeline_cache_ = {};
  if (owned_) vkDestroyDevice(device_, nullptr);
}

void Device::save_pipeline_cache() const {
  const std::lock_guard lock(kernels_mutex_);
  if (cache_file_.empty() || kernels_.size() == saved_kernel_count_) return;
  store_pipeline_cache(device_, pipeline_cache_.get(), info_, cache_file_);
  saved_kernel_count_ = kernels_.size();
}

std::uint32_t Device::memory_type(std::uint32_t allowed_bits, MemoryUse use) const {
  constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  constexpr VkMemoryPropertyFlags kVisible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  std::vector<VkMemoryPropertyFlags> wishes;
  switch (use) {
    case MemoryUse::kDevice:
      // Shared memory saves the staging copy; a discrete card's small host-visible window is not worth it.
      if (info_.type != DeviceType::kDiscrete) wishes = {kLocal | kVisible | kCached, kLocal | kVisible};
      wishes.push_back(kLocal);
      wishes.push_back(0);
      break;
    case MemoryUse::kUpload:
      wishes = {kVisible};
      break;
    case MemoryUse::kReadback:
      wishes = {kVisible | kCached, kVisible};
      break;
  }
  for (const VkMemoryPropertyFlags wish : wishes) {
    for (std::uint32_t i = 0; i < memory_.memoryTypeCount; ++i) {
      if ((allowed_bits >> i & 1u) != 0 && (memory_.memoryTypes[i].propertyFlags & wish) == wish) return i;
    }
  }
  throw_error(ErrorCode::kNoDevice, "{}: no memory type fits a buffer (types allowed {:#x})", info_.name, allowed_bits);
}

bool Device::is_host_visible(std::uint32_t type) const {
  constexpr VkMemoryPropertyFlags kNeeded = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  return (memory_.memoryTypes[type].propertyFlags & kNeeded) == kNeeded;
}

std::uint64_t Device::free_memory_bytes() const {
  if (info_.type == DeviceType::kCpu) {
    // CPU drivers report a heap size of their own choosing; what counts is the system's memory.
    const auto pages = static_cast<std::uint64_t>(std::max(0L, sysconf(_SC_AVPHYS_PAGES)));
    return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  VkPhysicalDeviceMemoryProperties2 memory{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
  if (has_memory_budget_) memory.pNext = &budget;
  vkGetPhysicalDeviceMemoryProperties2(info_.handle, &memory);
  std::uint64_t best = 0;
  for (std::uint32_t i = 0; i < memory_.memoryHeapCount; ++i) {
    if ((memory_.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) == 0) continue;
    const std::uint64_t size = memory_.memoryHeaps[i].size;
    const std::uint64_t used = has_memory_budget_ ? budget.heapUsage[i] : allocated_bytes_.load();
    const std::uint64_t cap = has_memory_budget_ ? budget.heapBudget[i] : size;
    best = std::max(best, cap > used ? cap - used : 0);
  }
  return best;
}

void Device::note_allocated(std::uint64_t bytes) {
  const std::uint64_t now = allocated_bytes_ += bytes;
  std::uint64_t peak = peak_allocated_bytes_;
  while (now > peak && !peak_allocated_bytes_.compare_exchange_weak(peak, now)) {
  }
}

const ShaderEntry* find_shader(std::string_view name) {
  const auto table = shader_table();
  const auto found = std::lower_bound(table.begin(), table.end(), name,
                                      [](const ShaderEntry& entry, std::string_view key) { return entry.name < key; });
  return found != table.end() && found->name == name ? &*found : nullptr;
}

bool Device::has_kernel(std::string_view name) {
  return find_shader(name) != nullptr;
}

const Kernel& Device::kernel(std::string_view name, std::span<const std::uint32_t> constants) {
  KernelKey key{std::string(name), {constants.begin(), constants.end()}};
  const std::lock_guard lock(kernels_mutex_);
  auto& slot = kernels_[std::move(key)];
  if (!slot) slot = create_kernel(name, constants);
  return *slot;
}

void Device::compile_plainly(std::string_view name) {
  const std::lock_guard lock(kernels_mutex_);
  if (!plain_kernels_.emplace(name).second) return;  // a recorded list may use it
  std::erase_if(kernels_, [&](const auto& entry) { return entry.first.first == name; });
}

std::vector<std::string> Device::plain_kernels() const {
  const std::lock_guard lock(kernels_mutex_);
  return {plain_kernels_.begin(), plain_kernels_.end()};
}

std::unique_ptr<Kernel> Device::create_kernel(std::string_view name, std::span<const std::uint32_t> constants) {
  const ShaderEntry* shader = find_shader(name);
  if (shader == nullptr) throw std::logic_error(fmt::format("no kernel named {} was compiled", name));
  const std::string what = fmt::format("creating kernel {}", name);
  auto kernel = std::make_unique<Kernel>();
  kernel->name_ = name;
  kernel->reflection_ = reflect_shader(shader->words);

  std::vector<VkDescriptorSetLayoutBinding> bindings;
  for (const ReflectedBinding& binding : kernel->reflection_.bindings) {
    bindings.push_back({binding.binding, descriptor_type(binding.kind), 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr});
  }
  VkDescriptorSetLayoutCreateInfo set_info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
  set_info.bindingCount = static_cast<std::uint32_t>(bindings.size());
  set_info.pBindings = bindings.data();
  VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
  check_result(REGROUP_VK(faults_, CreateDescriptorSetLayout, device_, &set_info, nullptr, &set_layout), what);
  kernel->set_layout_ = SetLayoutHandle(device_, set_layout);

  const VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, kernel->reflection_.push_constant_bytes};
  REGROUP_CHECK(push.size <= 128);
  VkPipelineLayoutCreateInfo layout_info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout_info.setLayoutCount = 1;
  layout_info.pSetLayouts = &set_layout;
  layout_info.pushConstantRangeCount = push.size > 0 ? 1 : 0;
  layout_info.pPushConstantRanges = &push;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  check_result(REGROUP_VK(faults_, CreatePipelineLayout, device_, &layout_info, nullptr, &layout), what);
  kernel->layout_ = PipelineLayoutHandle(device_, layout);

  const bool plain = plain_kernels_.contains(name);
  std::span<const std::uint32_t> words = shader->words;
  std::vector<std::uint32_t> spoiled;
  if (!plain && std::find(spoiled_kernels_.begin(), spoiled_kernels_.end(), name) != spoiled_kernels_.end()) {
    spoiled = spoil_shader(words);
    words = spoiled;
  }
  VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  module_info.codeSize = words.size_bytes();
  module_info.pCode = words.data();
  VkShaderModule raw_module = VK_NULL_HANDLE;
  check_result(REGROUP_VK(faults_, CreateShaderModule, device_, &module_info, nullptr, &raw_module), what);
  const ShaderModuleHandle module(device_, raw_module);

  std::vector<VkSpecializationMapEntry> entries(constants.size());
  for (std::uint32_t i = 0; i < entries.size(); ++i) entries[i] = {i, i * 4, 4};
  VkSpecializationInfo specialization{};
  specialization.mapEntryCount = static_cast<std::uint32_t>(entries.size());
  specialization.pMapEntries = entries.data();
  specialization.dataSize = constants.size_bytes();
  specialization.pData = constants.data();

  VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  if (plain) info.flags = VK_PIPELINE_CREATE_DISABLE_OPTIMIZATION_BIT;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module.get();
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  info.layout = layout;
  VkPipeline pipeline = VK_NULL_HANDLE;
  check_result(
      REGROUP_VK(faults_, CreateComputePipelines, device_, pipeline_cache_.get(), 1, &info, nullptr, &pipeline), what);
  kernel->pipeline_ = PipelineHandle(device_, pipeline);
  return kernel;
}

}  // namespace regroup
