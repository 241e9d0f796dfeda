// A logical device with one compute queue: memory types, kernels (compiled once, cached on disk), and the submission
// budget.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/gpu/buffer.h"
#include "runtime/gpu/driver_threads.h"
#include "runtime/gpu/faults.h"
#include "runtime/gpu/features.h"
#include "runtime/gpu/instance.h"
#include "runtime/gpu/kernel.h"
#include "runtime/gpu/submit_budget.h"

namespace regroup {

struct DeviceOptions {
  std::string which;  // see Instance::choose
  FeatureMask mask;
  std::filesystem::path cache_directory;  // for the pipeline cache; empty: none is read or written
  double max_submit_ms = 100.0;           // no submission is planned to run longer
  // For a caller who draws on the same device: further extensions, and a queue that takes graphics commands too.
  std::vector<const char*> extensions = {};
  bool graphics = false;
  // All busy threads of this process are the driver's or wait for it, so that a CPU driver's may be bound to cores (see
  // DriverThreads). Never so in a library: the threads of the program around it cannot be told from the driver's, which
  // bear the program's name, and would stay bound for good.
  bool owns_process = false;
  FaultPlan* faults = nullptr;  // for tests; outlives the device
  // For tests of the self-test: kernels of these names compute wrong results, unless they are compiled plainly.
  std::vector<std::string> spoiled_kernels = {};
  double worker_lag_us = -1;  // see Device::worker_lag_us; negative: what is measured, tests ask for more
};

// The objects of a caller who has a device already (a viewer). The queue must support compute; every feature listed in
// `enabled` must have been enabled at device creation. The caller keeps ownership and outlives the Device.
struct BorrowedDevice {
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  std::uint32_t queue_family = 0;
  DeviceFeatures enabled;
};

class Device {
 public:
  // `instance` must outlive the device. Throws kNoDevice, kOutOfMemory.
  static std::unique_ptr<Device> open(const Instance& instance, const DeviceOptions& options = {});
  static std::unique_ptr<Device> borrow(const BorrowedDevice& objects, const DeviceOptions& options = {});
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }
  const DeviceFeatures& features() const { return features_; }  // after the mask
  VkDevice handle() const { return device_; }
  VkQueue queue() const { return queue_; }
  std::uint32_t queue_family() const { return queue_family_; }
  // How many bits the queue's timestamps count with before they begin at 0 again; 0: the queue has none.
  std::uint32_t timestamp_bits() const { return timestamp_bits_; }
  // Buffer offsets in bindings must be multiples of this.
  std::uint64_t offset_alignment() const { return offset_alignment_; }
  // The queue is not thread-safe in Vulkan; whoever submits holds this.
  std::mutex& queue_mutex() { return queue_mutex_; }

  // The kernel `name` (a row of shaders/*/kernels.def) with specialisation constants 0, 1, ...; compiled on first use,
  // kept for the device's life. Thread-safe. Throws std::logic_error for an unknown name.
  const Kernel& kernel(std::string_view name, std::span<const std::uint32_t> constants = {});
  static bool has_kernel(std::string_view name);

  // Compiles the kernel `name` without the driver's optimisations from now on: the variant that is left when it
  // computes wrong results with them. Kernels of that name must not be in use, and references to them end, unless they
  // are compiled so already.
  void compile_plainly(std::string_view name);
  std::vector<std::string> plain_kernels() const;
  // Kernels made to compute wrong results, see DeviceOptions.
  const std::vector<std::string>& spoiled_kernels() const { return spoiled_kernels_; }
  // Where what is known of this device is kept; empty: nowhere.
  const std::filesystem::path& cache_directory() const { return cache_directory_; }

  // Writes the pipeline cache to disk if kernels were compiled since (atomic; failures are silent: it is only a cache).
  void save_pipeline_cache() const;

  std::uint32_t memory_type(std::uint32_t allowed_bits, MemoryUse use) const;
  bool is_host_visible(std::uint32_t memory_type) const;
  // Sum of all arenas' blocks.
  std::uint64_t allocated_bytes() const { return allocated_bytes_.load(); }
  // What may still be allocated from the device-local heap as far as is known: VK_EXT_memory_budget where offered,
  // otherwise heap size minus our own; a CPU driver counts against the system's available memory.
  std::uint64_t free_memory_bytes() const;
  // The most that it ever was: after a failed allocation, what the driver gave before.
  std::uint64_t peak_allocated_bytes() const { return peak_allocated_bytes_.load(); }
  void note_allocated(std::uint64_t bytes);
  void note_freed(std::uint64_t bytes) { allocated_bytes_ -= bytes; }

  SubmitBudget& budget() { return budget_; }
  // How long after the first the second worker of a CPU driver with two begins a dispatch; us. 0: any other device.
  double worker_lag_us() const { return worker_lag_us_; }
  // The device was waited for so long by the thread that submits.
  void note_waited(double ms) {
    if (binds_driver_threads_) driver_threads_.waited(ms);
  }
  FaultPlan* faults() const { return faults_; }

 private:
  Device() = default;
  void finish_setup(const DeviceOptions& options);
  std::unique_ptr<Kernel> create_kernel(std::string_view name, std::span<const std::uint32_t> constants);

  DeviceInfo info_;
  DeviceFeatures features_;
  VkDevice device_ = VK_NULL_HANDLE;
  bool owned_ = true;
  FaultPlan* faults_ = nullptr;
  bool has_memory_budget_ = false;
  VkQueue queue_ = VK_NULL_HANDLE;
  std::uint32_t queue_family_ = 0;
  std::uint32_t timestamp_bits_ = 0;
  std::uint64_t offset_alignment_ = 256;
  VkPhysicalDeviceMemoryProperties memory_{};
  std::atomic<std::uint64_t> allocated_bytes_{0};
  std::atomic<std::uint64_t> peak_allocated_bytes_{0};
  std::mutex queue_mutex_;
  std::filesystem::path cache_directory_;
  std::filesystem::path cache_file_;
  PipelineCacheHandle pipeline_cache_;
  mutable std::mutex kernels_mutex_;
  mutable std::size_t saved_kernel_count_ = 0;
  using KernelKey = std::pair<std::string, std::vector<std::uint32_t>>;  // name, constants
  std::map<KernelKey, std::unique_ptr<Kernel>, std::less<>> kernels_;
  std::vector<std::string> spoiled_kernels_;
  std::set<std::string, std::less<>> plain_kernels_;
  SubmitBudget budget_;
  bool binds_driver_threads_ = false;
  DriverThreads driver_threads_;
  double worker_lag_us_ = 0;
};

}  // namespace regroup
