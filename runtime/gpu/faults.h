// Failures on purpose, for tests: every Vulkan call of the library that can fail asks a FaultPlan first, where there is
// one. A planned failure takes the place of the call, so that nothing is created that nobody would destroy.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/gpu/vulkan.h"

namespace regroup {

// Shared by all devices and lists of a process under test; thread-safe.
class FaultPlan {
 public:
  FaultPlan() = default;
  // "[NAME@]N:RESULT[,...]": the N-th call (of NAME, as QueueSubmit; otherwise of all) gives RESULT: device-lost,
  // out-of-device-memory, out-of-host-memory, map-failed, failed. Throws kUsage.
  static FaultPlan parse(std::string_view text);
  FaultPlan(FaultPlan&& other) noexcept : faults_(std::move(other.faults_)) {}
  FaultPlan& operator=(FaultPlan&&) = delete;

  void add(std::uint64_t call, VkResult result, std::string_view name = {});
  // Plans nothing any more and counts from 0.
  void clear();
  // Called instead of vk<name>: a failure, or VK_SUCCESS when the call is to be made.
  VkResult next(std::string_view name);
  // A lost device gives nothing but VK_ERROR_DEVICE_LOST until another one is opened, as real ones do.
  void device_opened();
  // So far.
  std::uint64_t calls() const;
  std::uint64_t failed_calls() const;

 private:
  struct Fault {
    std::uint64_t call;
    VkResult result;
    std::string name;
    std::uint64_t seen = 0;
  };
  mutable std::mutex mutex_;
  std::vector<Fault> faults_;
  std::uint64_t calls_ = 0;
  std::uint64_t failed_calls_ = 0;
  bool lost_ = false;
};

template <typename Function, typename... Arguments>
VkResult call_vulkan(FaultPlan* faults, std::string_view name, Function function, Arguments... arguments) {
  if (faults != nullptr) [[unlikely]] {
    if (const VkResult planned = faults->next(name); planned != VK_SUCCESS) return planned;
  }
  return function(arguments...);
}

}  // namespace regroup

// REGROUP_VK(faults, CreateBuffer, ...): vkCreateBuffer(...) or the failure planned for it.
#define REGROUP_VK(faults, name, ...) ::regroup::call_vulkan(faults, #name, vk##name, __VA_ARGS__)
