#include "runtime/gpu/command_list.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "runtime/core/error.h"

namespace regroup {
namespace {

constexpr std::uint32_t kSetsPerPool = 256;
constexpr std::uint32_t kTimedDispatches = 4096;
constexpr std::chrono::seconds kDrainLimit{5};
constexpr VkPipelineStageFlags kWorkStages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr VkAccessFlags kAllReads = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
constexpr VkAccessFlags kAllWrites = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

using Clock = std::chrono::steady_clock;

void barrier(VkCommandBuffer commands, VkPipelineStageFlags to_stage, VkAccessFlags to_access) {
  VkMemoryBarrier all{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  all.srcAccessMask = kAllWrites;
  all.dstAccessMask = to_access;
  vkCmdPipelineBarrier(commands, kWorkStages, to_stage, 0, 1, &all, 0, nullptr, 0, nullptr);
}

}  // namespace

std::uint64_t elapsed_ticks(std::uint64_t begin, std::uint64_t end, std::uint32_t bits) {
  return (end - begin) & (~std::uint64_t{0} >> (64 - bits));
}

CommandList::CommandList(Device& device, bool timestamps) : device_(device) {
  VkCommandPoolCreateInfo info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  info.queueFamilyIndex = device.queue_family();
  info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  VkCommandPool pool = VK_NULL_HANDLE;
  check_result(REGROUP_VK(device.faults(), CreateCommandPool, device.handle(), &info, nullptr, &pool),
               "creating a command pool");
  pool_ = CommandPoolHandle(device.handle(), pool);
  timestamps_ = timestamps && device.timestamp_bits() > 0;
  if (timestamps_) {
    VkQueryPoolCreateInfo query_info{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
    query_info.queryType = VK_QUERY_TYPE_TIMESTAMP;
    query_info.queryCount = 2 * kTimedDispatches;
    VkQueryPool queries = VK_NULL_HANDLE;
    check_result(REGROUP_VK(device.faults(), CreateQueryPool, device.handle(), &query_info, nullptr, &queries),
                 "creating a timestamp pool");
    queries_ = QueryPoolHandle(device.handle(), queries);
  }
}

CommandList::~CommandList() {
  drain();  // destroying command buffers in use is undefined
}

CommandList::Segment& CommandList::recording_segment(const NominalCost& next) {
  REGROUP_CHECK(!ended_);
  const SubmitBudget& budget = device_.budget();
  if (recording_) {
    NominalCost together = segments_.back()->cost;
    together += next;
    if (budget.estimate_ms(together) > budget.max_ms() && segments_.back()->cost.launch_ms > 0) end_segment();
  }
  if (!recording_) {
    std::unique_ptr<Segment> segment;
    if (!spare_segments_.empty()) {
      segment = std::move(spare_segments_.back());
      spare_segments_.pop_back();
    } else {
      segment = std::make_unique<Segment>();
      VkCommandBufferAllocateInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
      info.commandPool = pool_.get();
      info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
      info.commandBufferCount = 1;
      check_result(REGROUP_VK(device_.faults(), AllocateCommandBuffers, device_.handle(), &info, &segment->commands),
                   "allocating a command buffer");
      VkFenceCreateInfo fence_info{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
      VkFence fence = VK_NULL_HANDLE;
      check_result(REGROUP_VK(device_.faults(), CreateFence, device_.handle(), &fence_info, nullptr, &fence),
                   "creating a fence");
      segment->fence = FenceHandle(device_.handle(), fence);
    }
    segment->cost = {};
    VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    check_result(REGROUP_VK(device_.faults(), BeginCommandBuffer, segment->commands, &begin),
                 "beginning a command buffer");
    if (segments_.empty()) {
      // What an earlier list or an earlier run of this one wrote must be visible; what it read must be done.
      barrier(segment->commands, kWorkStages, kAllReads | kAllWrites);
      if (timestamps_) vkCmdResetQueryPool(segment->commands, queries_.get(), 0, 2 * kTimedDispatches);
    }
    segments_.push_back(std::move(segment));
    recording_ = true;
  }
  segments_.back()->cost += next;
  return *segments_.back();
}

void CommandList::end_segment() {
  check_result(REGROUP_VK(device_.faults(), EndCommandBuffer, segments_.back()->commands), "ending a command buffer");
  recording_ = false;
}

void CommandList::end_recording() {
  if (ended_ || segments_.empty()) return;
  if (!recording_) recording_segment({});
  barrier(segments_.back()->commands, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
  end_segment();
  ended_ = true;
}

void CommandList::before_access(VkCommandBuffer commands, std::span<const Touched> reads,
                                std::span<const Touched> writes) {
  const auto overlaps = [](std::span<const Touched> now, std::span<const Touched> before) {
    return std::any_of(now.begin(), now.end(), [&](const Touched& a) {
      return std::any_of(before.begin(), before.end(),
                         [&](const Touched& b) { return a.buffer == b.buffer && a.begin < b.end && b.begin < a.end; });
    });
  };
  if (overlaps(reads, writes_) || overlaps(writes, writes_) || overlaps(writes, reads_)) {
    barrier(commands, kWorkStages, kAllReads | kAllWrites);
    reads_.clear();
    writes_.clear();
  }
  reads_.insert(reads_.end(), reads.begin(), reads.end());
  writes_.insert(writes_.end(), writes.begin(), writes.end());
}

VkDescriptorSet CommandList::descriptor_set(const Kernel& kernel, std::span<const Bind> bindings) {
  const VkDescriptorSetLayout layout = kernel.set_layout();
  VkDescriptorSet set = VK_NULL_HANDLE;
  while (set == VK_NULL_HANDLE) {
    if (descriptor_pool_in_use_ == descriptor_pools_.size()) {
      const std::array<VkDescriptorPoolSize, 2> sizes = {
          VkDescriptorPoolSize{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, kSetsPerPool * 8},
          VkDescriptorPoolSize{VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, kSetsPerPool * 8}};
      VkDescriptorPoolCreateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
      info.maxSets = kSetsPerPool;
      info.poolSizeCount = static_cast<std::uint32_t>(sizes.size());
      info.pPoolSizes = sizes.data();
      VkDescriptorPool pool = VK_NULL_HANDLE;
      check_result(REGROUP_VK(device_.faults(), CreateDescriptorPool, device_.handle(), &info, nullptr, &pool),
                   "creating a descriptor pool");
      descriptor_pools_.emplace_back(device_.handle(), pool);
    }
    VkDescriptorSetAllocateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
    info.descriptorPool = descriptor_pools_[descriptor_pool_in_use_].get();
    info.descriptorSetCount = 1;
    info.pSetLayouts = &layout;
    const VkResult result = REGROUP_VK(device_.faults(), AllocateDescriptorSets, device_.handle(), &info, &set);
    if (result == VK_ERROR_OUT_OF_POOL_MEMORY || result == VK_ERROR_FRAGMENTED_POOL) {
      ++descriptor_pool_in_use_;
      set = VK_NULL_HANDLE;
      continue;
    }
    check_result(result, "allocating a descriptor set");
  }
  std::vector<VkWriteDescriptorSet> writes;
  std::vector<VkDescriptorBufferInfo> buffers(bindings.size());
  std::vector<VkBufferView> texels(bindings.size());
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    const auto& declared = kernel.interface().bindings;
    const auto found = std::find_if(declared.begin(), declared.end(),
                                    [&](const ReflectedBinding& d) { return d.binding == bindings[i].binding; });
    if (found == declared.end()) continue;
    const BufferView& view = bindings[i].view;
    VkWriteDescriptorSet write{VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    write.dstSet = set;
    write.dstBinding = found->binding;
    write.descriptorCount = 1;
    if (found->kind == BindingKind::kStorageBuffer) {
      buffers[i] = {view.buffer->handle(), view.offset_bytes, view.size_bytes};
      write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
      write.pBufferInfo = &buffers[i];
    } else {
      texels[i] = view.buffer->texel_view(found->kind, view.offset_bytes, view.size_bytes);
      write.descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
      write.pTexelBufferView = &texels[i];
    }
    writes.push_back(write);
  }
  vkUpdateDescriptorSets(device_.handle(), static_cast<std::uint32_t>(writes.size()), writes.data(), 0, nullptr);
  return set;
}

void CommandList::dispatch(const Kernel& kernel, std::span<const Bind> bindings, std::span<const std::uint32_t> push,
                           Groups groups, const Work& work, std::string_view label) {
  if (groups.x == 0 || groups.y == 0 || groups.z == 0) return;
  REGROUP_CHECK(groups.x <= 65535 && groups.y <= 65535 && groups.z <= 65535);
  if (push.size_bytes() != kernel.interface().push_constant_bytes) {
    throw std::logic_error(fmt::format("kernel {}: {} bytes of push constants given, {} declared", kernel.name(),
                                       push.size_bytes(), kernel.interface().push_constant_bytes));
  }
  std::vector<Touched> reads, writes;
  for (const ReflectedBinding& declared : kernel.interface().bindings) {
    const auto given = std::find_if(bindings.begin(), bindings.end(),
                                    [&](const Bind& bind) { return bind.binding == declared.binding; });
    if (given == bindings.end() || !given->view) {
      throw std::logic_error(fmt::format("kernel {}: nothing bound at binding {}", kernel.name(), declared.binding));
    }
    const BufferView& view = given->view;
    REGROUP_CHECK(view.offset_bytes % device_.offset_alignment() == 0);
    REGROUP_CHECK(view.size_bytes > 0 && view.offset_bytes + view.size_bytes <= view.buffer->size_bytes());
    const Touched touched{view.buffer->handle(), view.offset_bytes, view.offset_bytes + view.size_bytes};
    if (declared.reads) reads.push_back(touched);
    if (declared.writes) writes.push_back(touched);
  }
  const VkCommandBuffer commands = recording_segment(device_.budget().cost(work)).commands;
  before_access(commands, reads, writes);
  vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel.pipeline());
  if (!kernel.interface().bindings.empty()) {
    const VkDescriptorSet set = descriptor_set(kernel, bindings);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel.layout(), 0, 1, &set, 0, nullptr);
  }
  if (!push.empty()) {
    vkCmdPushConstants(commands, kernel.layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0,
                       static_cast<std::uint32_t>(push.size_bytes()), push.data());
  }
  const auto timed = static_cast<std::uint32_t>(labels_.size());
  const bool time_it = timestamps_ && timed < kTimedDispatches;
  if (time_it) vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, queries_.get(), 2 * timed);
  vkCmdDispatch(commands, groups.x, groups.y, groups.z);
  if (time_it) {
    vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, queries_.get(), 2 * timed + 1);
    labels_.emplace_back(label.empty() ? std::string_view(kernel.name()) : label);
  }
  ++dispatch_count_;
  if (std::find(kernels_.begin(), kernels_.end(), &kernel) == kernels_.end()) kernels_.push_back(&kernel);
}

void CommandList::copy(const BufferView& from, const BufferView& to) {
  REGROUP_CHECK(from.size_bytes == to.size_bytes && from.offset_bytes + from.size_bytes <= from.buffer->size_bytes() &&
                to.offset_bytes + to.size_bytes <= to.buffer->size_bytes());
  const VkCommandBuffer commands =
      recording_segment(device_.budget().cost({.bytes = 2.0 * static_cast<double>(from.size_bytes)})).commands;
  const Touched read{from.buffer->handle(), from.offset_bytes, from.offset_bytes + from.size_bytes};
  const Touched write{to.buffer->handle(), to.offset_bytes, to.offset_bytes + to.size_bytes};
  before_access(commands, {&read, 1}, {&write, 1});
  const VkBufferCopy region{from.offset_bytes, to.offset_bytes, from.size_bytes};
  vkCmdCopyBuffer(commands, from.buffer->handle(), to.buffer->handle(), 1, &region);
}

void CommandList::fill(const BufferView& to, std::uint32_t word) {
  const VkCommandBuffer commands =
      recording_segment(device_.budget().cost({.bytes = static_cast<double>(to.size_bytes)})).commands;
  const Touched write{to.buffer->handle(), to.offset_bytes, to.offset_bytes + to.size_bytes};
  before_access(commands, {}, {&write, 1});
  vkCmdFillBuffer(commands, to.buffer->handle(), to.offset_bytes, to.size_bytes, word);
}

void CommandList::submit_segment(Segment& segment) {
  REGROUP_CHECK(!segment.pending);
  const VkFence fence = segment.fence.get();
  check_result(REGROUP_VK(device_.faults(), ResetFences, device_.handle(), 1, &fence), "resetting a fence");
  VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  info.commandBufferCount = 1;
  info.pCommandBuffers = &segment.commands;
  const std::lock_guard lock(device_.queue_mutex());
  check_result(REGROUP_VK(device_.faults(), QueueSubmit, device_.queue(), 1, &info, fence), "submitting work");
  segment.pending = true;
}

void CommandList::wait_segment(Segment& segment) {
  if (!segment.pending) return;
  const VkFence fence = segment.fence.get();
  check_result(REGROUP_VK(device_.faults(), WaitForFences, device_.handle(), 1, &fence, VK_TRUE, UINT64_MAX),
               "waiting for the device");
  segment.pending = false;  // after a failed wait the work may go on
}

void CommandList::submit() {
  end_recording();
  try {
    for (const auto& segment : segments_) submit_segment(*segment);
  } catch (...) {
    drain();
    throw;
  }
}

// After a failure: nothing may be running when the caller reuses or destroys the buffers and this list. A wait that
// finds the device lost means that nothing runs any more. One that had no memory says nothing: it is tried again, until
// the work, which is small by the budget, must have ended in any case.
void CommandList::drain() noexcept {
  const auto give_up = Clock::now() + kDrainLimit;
  for (const auto& segment : segments_) {
    if (!segment->pending) continue;
    const VkFence fence = segment->fence.get();
    for (;;) {
      VkResult result = REGROUP_VK(device_.faults(), WaitForFences, device_.handle(), 1, &fence, VK_TRUE, UINT64_MAX);
      if (result == VK_ERROR_DEVICE_LOST) {  // a real loss is told again; behind a planned one the device goes on
        result = vkWaitForFences(device_.handle(), 1, &fence, VK_TRUE, UINT64_MAX);
      }
      if (result == VK_SUCCESS || result == VK_ERROR_DEVICE_LOST || Clock::now() >= give_up) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    segment->pending = false;
  }
}

void CommandList::wait() {
  try {
    for (const auto& segment : segments_) wait_segment(*segment);
  } catch (...) {
    drain();
    throw;
  }
}

void CommandList::run(const CancelFlag* cancel) {
  end_recording();
  try {
    run_segments(cancel);
  } catch (...) {
    drain();
    throw;
  }
}

void CommandList::run_segments(const CancelFlag* cancel) {
  auto previous_end = Clock::now();
  std::size_t submitted = 0;
  for (std::size_t done = 0; done < segments_.size(); ++done) {
    const bool stop = cancelled(cancel);
    // Two ahead: the device never idles between pieces, and a stop waits for two pieces at most.
    while (!stop && submitted < segments_.size() && submitted < done + 2) submit_segment(*segments_[submitted++]);
    if (done == submitted) throw_error(ErrorCode::kInterrupted, "stopped before the work was complete");
    wait_segment(*segments_[done]);
    const auto now = Clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - previous_end).count();
    device_.budget().learn(segments_[done]->cost, ms);
    device_.note_waited(ms);
    previous_end = now;
  }
}

void CommandList::reset() {
  for (auto& segment : segments_) {
    REGROUP_CHECK(!segment->pending);
    if (recording_ && segment == segments_.back()) {
      // A recording that failed half-way: such a command buffer cannot begin again.
      vkFreeCommandBuffers(device_.handle(), pool_.get(), 1, &segment->commands);
      continue;
    }
    spare_segments_.push_back(std::move(segment));
  }
  segments_.clear();
  for (const auto& pool : descriptor_pools_) vkResetDescriptorPool(device_.handle(), pool.get(), 0);
  descriptor_pool_in_use_ = 0;
  reads_.clear();
  writes_.clear();
  labels_.clear();
  kernels_.clear();
  recording_ = ended_ = false;
  dispatch_count_ = 0;
}

std::vector<DispatchTiming> CommandList::timings() const {
  std::vector<DispatchTiming> out;
  if (!timestamps_ || labels_.empty()) return out;
  std::vector<std::uint64_t> ticks(labels_.size() * 2);
  check_result(REGROUP_VK(device_.faults(), GetQueryPoolResults, device_.handle(), queries_.get(), 0,
                          static_cast<std::uint32_t>(ticks.size()), ticks.size() * 8, ticks.data(), 8,
                          VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
               "reading timestamps");
  const double ms_per_tick = static_cast<double>(device_.info().timestamp_period_ns) * 1e-6;
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    const std::uint64_t elapsed = elapsed_ticks(ticks[2 * i], ticks[2 * i + 1], device_.timestamp_bits());
    out.push_back({labels_[i], static_cast<double>(elapsed) * ms_per_tick});
  }
  return out;
}

}  // namespace regroup
