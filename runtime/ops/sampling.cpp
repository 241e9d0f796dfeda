#include "runtime/ops/sampling.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "runtime/ops/sampling_plan.h"
#include "shaders/sampling/greedy.h"
#include "shaders/sampling/largest.h"

namespace regroup {
namespace {

void check(const Sample& op) {
  check_rows(op.logits, 1, op.vocabulary);
  // lavapipe ends a shader after 65535 loop trips: the last stage's stay below half of that.
  REGROUP_CHECK(op.vocabulary <= kLargestSampledVocabulary);
  REGROUP_CHECK(op.tokens && op.tokens.size_bytes >= 4);
  REGROUP_CHECK(op.positions && op.positions.size_bytes >= 4);
  REGROUP_CHECK(op.history && op.history.size_bytes >= 4);
  REGROUP_CHECK(op.chosen && op.chosen.size_bytes >= 16);
  REGROUP_CHECK(op.scratch);
}

void record_largest(CommandList& list, const SamplingPlan& plan, const Sample& op, bool with_sum) {
  const shader::LargestConstants constants{.workgroup_size = plan.lanes, .with_sum = with_sum ? 1u : 0u};
  const shader::LargestPush push{
      .vocabulary = op.vocabulary, .offset = op.logits.offset / 4, .chunk_texels = plan.chunk_texels};
  list.dispatch(plan.kernel(list.device(), "sampling_largest", as_words(constants)),
                {{0, whole_chunks(op.logits.buffer)}, {1, op.scratch}}, as_words(push), {.x = plan.chunks},
                {.bytes = 4.0 * op.vocabulary, .flops = (with_sum ? 16.0 : 3.0) * op.vocabulary}, "sampling_largest");
}

void record_greedy(CommandList& list, const SamplingPlan& plan, const Sample& op) {
  record_largest(list, plan, op, true);
  const shader::GreedyConstants constants{.workgroup_size = plan.lanes};
  const shader::GreedyPush push{.chunks = plan.chunks,
                                .history_words = static_cast<std::uint32_t>(op.history.size_bytes / 4)};
  list.dispatch(list.device().kernel("sampling_greedy", as_words(constants)),
                {{0, largest_view(op.scratch)}, {1, op.tokens}, {2, op.positions}, {3, op.history}, {4, op.chosen}},
                as_words(push), {}, {}, "sampling_greedy");
}

}  // namespace

SamplingPlan::SamplingPlan(const KernelProfile& profile, std::uint32_t vocabulary) : texel_loads(profile.texel_loads) {
  // A CPU driver runs a workgroup on one core, lane by lane where it is not one subgroup.
  lanes = profile.shape == ProductShape::kColumnsPerLane ? 128 : profile.lanes;
  constexpr std::uint32_t kLogitsPerChunk = 2048;  // enough to pay for a workgroup's start and end
  const std::uint32_t most = profile.shape == ProductShape::kColumnsPerLane ? shader::kMaxChunks : 32;
  const std::uint32_t texels = (vocabulary + 3) / 4;
  const std::uint32_t wanted = std::clamp((vocabulary + kLogitsPerChunk - 1) / kLogitsPerChunk, 1u, most);
  const std::uint32_t step = lanes * shader::kFetches;
  chunk_texels = ((texels + wanted - 1) / wanted + step - 1) / step * step;
  chunks = (texels + chunk_texels - 1) / chunk_texels;
}

const Kernel& SamplingPlan::kernel(Device& device, std::string_view plain_name,
                                   std::span<const std::uint32_t> constants) const {
  return device.kernel(fmt::format("{}{}", plain_name, texel_loads ? "_texel" : ""), constants);
}

BufferView largest_view(const BufferView& scratch) {
  return {*scratch.buffer, scratch.offset_bytes, shader::kWeighedWord * std::uint64_t{4}};
}

std::uint64_t sampling_scratch_bytes(const Device&, std::uint32_t vocabulary) {
  const std::uint64_t padded = (std::uint64_t{vocabulary} + 3) / 4 * 4;
  return 4 * (shader::kListWord + 3 * padded);
}

void record(CommandList& list, const KernelProfile& profile, const Sample& op) {
  check(op);
  REGROUP_CHECK(op.scratch.size_bytes >= sampling_scratch_bytes(list.device(), op.vocabulary));
  REGROUP_CHECK(op.settings.temperature <= 0 && op.settings.repeat_penalty == 1.0f);
  const SamplingPlan plan(profile, op.vocabulary);
  record_greedy(list, plan, op);
}

}  // namespace regroup
