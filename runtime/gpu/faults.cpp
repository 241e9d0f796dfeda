#include "runtime/gpu/faults.h"

#include <algorithm>
#include <charconv>

#include "runtime/core/error.h"

namespace regroup {
namespace {

struct NamedResult {
  std::string_view name;
  VkResult result;
};
constexpr NamedResult kResults[] = {{"device-lost", VK_ERROR_DEVICE_LOST},
                                    {"out-of-device-memory", VK_ERROR_OUT_OF_DEVICE_MEMORY},
                                    {"out-of-host-memory", VK_ERROR_OUT_OF_HOST_MEMORY},
                                    {"map-failed", VK_ERROR_MEMORY_MAP_FAILED},
                                    {"failed", VK_ERROR_UNKNOWN}};

// Calls that tell of a lost device.
bool tells_of_loss(std::string_view name) {
  return name == "QueueSubmit" || name == "WaitForFences" || name == "GetQueryPoolResults";
}

}  // namespace

FaultPlan FaultPlan::parse(std::string_view text) {
  FaultPlan plan;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    const std::size_t at = item.find('@'), colon = item.find(':');
    const std::string_view name = at == std::string_view::npos ? std::string_view{} : item.substr(0, at);
    const std::size_t number = at == std::string_view::npos ? 0 : at + 1;
    std::uint64_t call = 0;
    const char* end = item.data() + std::min(colon, item.size());
    const bool counted = colon != std::string_view::npos && colon > number &&
                         std::from_chars(item.data() + number, end, call).ptr == end && call > 0;
    const auto found = std::find_if(std::begin(kResults), std::end(kResults), [&](const NamedResult& known) {
      return counted && known.name == item.substr(colon + 1);
    });
    if (found == std::end(kResults)) {
      throw_error(ErrorCode::kUsage, "planned failure '{}': expected [NAME@]N:RESULT", escaped(item));
    }
    plan.add(call, found->result, name);
  }
  return plan;
}

void FaultPlan::add(std::uint64_t call, VkResult result, std::string_view name) {
  const std::lock_guard lock(mutex_);
  faults_.push_back({call, result, std::string(name)});
}

void FaultPlan::clear() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
  calls_ = failed_calls_ = 0;
  lost_ = false;
}

VkResult FaultPlan::next(std::string_view name) {
  const std::lock_guard lock(mutex_);
  ++calls_;
  VkResult result = lost_ && tells_of_loss(name) ? VK_ERROR_DEVICE_LOST : VK_SUCCESS;
  for (Fault& fault : faults_) {
    if (!fault.name.empty() && fault.name != name) continue;
    if (++fault.seen == fault.call) result = fault.result;
  }
  lost_ = lost_ || result == VK_ERROR_DEVICE_LOST;
  if (result != VK_SUCCESS) ++failed_calls_;
  return result;
}

void FaultPlan::device_opened() {
  const std::lock_guard lock(mutex_);
  lost_ = false;
}

std::uint64_t FaultPlan::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::uint64_t FaultPlan::failed_calls() const {
  const std::lock_guard lock(mutex_);
  return failed_calls_;
}

}  // namespace regroup
