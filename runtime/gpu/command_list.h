// A recorded sequence of dispatches and copies that can be submitted again and again. Barriers follow from what the
// bindings read and write.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/gpu/buffer.h"
#include "runtime/gpu/device.h"
#include "runtime/gpu/kernel.h"

namespace regroup {

// Workgroup counts; each at most 65535 (checked), the guaranteed limit.
struct Groups {
  std::uint32_t x = 1, y = 1, z = 1;
};

// View bound at a shader's binding number.
struct Bind {
  std::uint32_t binding;
  BufferView view;
};

// The device time of one dispatch of a list recorded with timestamps.
struct DispatchTiming {
  std::string label;
  double ms;
};

// From one timestamp to a later one, both of a counter of `bits` bits (1 to 64) that began again at 0 at most once
// meanwhile.
std::uint64_t elapsed_ticks(std::uint64_t begin, std::uint64_t end, std::uint32_t bits);

class CommandList {
 public:
  // timestamps: measure every dispatch (ignored where the queue has none).
  explicit CommandList(Device& device, bool timestamps = false);
  ~CommandList();
  CommandList(const CommandList&) = delete;
  CommandList& operator=(const CommandList&) = delete;

  // Records one dispatch. Every binding that the shader declares must be given, others are ignored; the push constants
  // must have the shader's size. `work` lets the list be cut into submissions of bounded length; `label` names the
  // dispatch in timings.
  void dispatch(const Kernel& kernel, std::span<const Bind> bindings, std::span<const std::uint32_t> push,
                Groups groups, const Work& work = {}, std::string_view label = {});
  void dispatch(const Kernel& kernel, std::initializer_list<Bind> bindings, std::span<const std::uint32_t> push,
                Groups groups, const Work& work = {}, std::string_view label = {}) {
    dispatch(kernel, std::span<const Bind>(bindings.begin(), bindings.size()), push, groups, work, label);
  }
  void copy(const BufferView& from, const BufferView& to);
  void fill(const BufferView& to, std::uint32_t word);

  // Submits everything recorded (ends recording on the first call) without waiting. Views, kernels and buffers must
  // outlive the run.
  void submit();
  // Waits for the last submit(). Throws kDeviceLost etc.
  void wait();
  // Submits piece by piece, at most two pieces ahead of the device, and waits; stops between pieces with kInterrupted
  // when cancelled.
  void run(const CancelFlag* cancel = nullptr);
  // Forgets what was recorded, keeps the pools. Not while running.
  void reset();

  Device& device() { return device_; }
  std::size_t dispatch_count() const { return dispatch_count_; }
  std::size_t submission_count() const { return segments_.size(); }
  bool empty() const { return segments_.empty(); }
  // What was dispatched, each once, in the order of first use.
  const std::vector<const Kernel*>& kernels() const { return kernels_; }
  // Device times of the last run, in recording order; empty without timestamps.
  std::vector<DispatchTiming> timings() const;

 private:
  struct Segment {
    VkCommandBuffer commands = VK_NULL_HANDLE;
    FenceHandle fence;
    NominalCost cost;
    bool pending = false;
  };
  struct Touched {
    VkBuffer buffer;
    std::uint64_t begin, end;
  };

  Segment& recording_segment(const NominalCost& next);
  void end_segment();
  void end_recording();
  void before_access(VkCommandBuffer commands, std::span<const Touched> reads, std::span<const Touched> writes);
  VkDescriptorSet descriptor_set(const Kernel& kernel, std::span<const Bind> bindings);
  void submit_segment(Segment& segment);
  void wait_segment(Segment& segment);
  void run_segments(const CancelFlag* cancel);
  void drain() noexcept;

  Device& device_;
  CommandPoolHandle pool_;
  std::vector<std::unique_ptr<Segment>> segments_;
  std::vector<std::unique_ptr<Segment>> spare_segments_;
  std::vector<DescriptorPoolHandle> descriptor_pools_;
  std::size_t descriptor_pool_in_use_ = 0;
  std::vector<Touched> reads_, writes_;  // since the last barrier
  bool recording_ = false;
  bool ended_ = false;
  std::size_t dispatch_count_ = 0;
  std::vector<const Kernel*> kernels_;
  QueryPoolHandle queries_;
  std::vector<std::string> labels_;  // of timed dispatches
  bool timestamps_ = false;
};

}  // namespace regroup
