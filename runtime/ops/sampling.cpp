#include "runtime/ops/sampling.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "runtime/ops/sampling_plan.h"
#include "runtime/ops/sampling_weight.h"
#include "shaders/sampling/advance.h"
#include "shaders/sampling/choose.h"
#include "shaders/sampling/collect.h"
#include "shaders/sampling/greedy.h"
#include "shaders/sampling/largest.h"
#include "shaders/sampling/penalise.h"
#include "shaders/sampling/weigh.h"

namespace regroup {
namespace {

void check(const Sample& op) {
  check_rows(op.logits, 1, op.vocabulary);
  // lavapipe ends a shader after 65535 loop trips: this keeps those of the last stage below 50000 however long its list
  // is.
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

std::uint32_t history_words(const Sample& op) {
  return static_cast<std::uint32_t>(op.history.size_bytes / 4);
}

void record_penalty(CommandList& list, const Sample& op, const SamplingNumbers& numbers) {
  const shader::PenaliseConstants constants{};
  const shader::PenalisePush push{.vocabulary = op.vocabulary,
                                  .offset = op.logits.offset,
                                  .history_words = history_words(op),
                                  .last = numbers.penalised_last,
                                  .penalty = numbers.penalty,
                                  .reciprocal = numbers.reciprocal_penalty};
  list.dispatch(list.device().kernel("sampling_penalise", as_words(constants)),
                {{0, op.logits.buffer}, {1, op.history}, {2, op.positions}, {3, op.scratch}}, as_words(push), {},
                {.bytes = 16.0 * std::min(numbers.penalised_last, history_words(op))}, "sampling_penalise");
}

void record_greedy(CommandList& list, const SamplingPlan& plan, const Sample& op) {
  record_largest(list, plan, op, true);
  const shader::GreedyConstants constants{.workgroup_size = plan.lanes};
  const shader::GreedyPush push{.chunks = plan.chunks, .history_words = history_words(op)};
  list.dispatch(list.device().kernel("sampling_greedy", as_words(constants)),
                {{0, largest_view(op.scratch)}, {1, op.tokens}, {2, op.positions}, {3, op.history}, {4, op.chosen}},
                as_words(push), {}, {}, "sampling_greedy");
}

void record_weigh(CommandList& list, const SamplingPlan& plan, const Sample& op, const SamplingNumbers& numbers,
                  std::uint32_t purpose) {
  const shader::WeighConstants constants{.workgroup_size = plan.lanes, .purpose = purpose};
  const shader::WeighPush push{.vocabulary = op.vocabulary,
                               .offset = op.logits.offset / 4,
                               .chunk_texels = plan.chunk_texels,
                               .chunks = plan.chunks,
                               .scale = purpose == shader::kWeighDraw ? numbers.draw_scale : numbers.plain_scale,
                               .log_min_p = numbers.log_min_p};
  list.dispatch(plan.kernel(list.device(), "sampling_weigh", as_words(constants)),
                {{0, whole_chunks(op.logits.buffer)}, {1, op.scratch}}, as_words(push), {.x = plan.chunks},
                {.bytes = 4.0 * op.vocabulary, .flops = 40.0 * op.vocabulary}, "sampling_weigh");
}

void record_collect(CommandList& list, const SamplingPlan& plan, const Sample& op, const SamplingNumbers& numbers,
                    std::uint32_t purpose) {
  const shader::CollectConstants constants{.workgroup_size = plan.lanes, .purpose = purpose};
  const shader::CollectPush push{.vocabulary = op.vocabulary,
                                 .offset = op.logits.offset / 4,
                                 .chunk_texels = plan.chunk_texels,
                                 .chunks = plan.chunks,
                                 .top_k = numbers.top_k,
                                 .top_p = numbers.top_p,
                                 .log_min_p = numbers.log_min_p,
                                 .seed_low = static_cast<std::uint32_t>(op.settings.seed),
                                 .seed_high = static_cast<std::uint32_t>(op.settings.seed >> 32)};
  list.dispatch(plan.kernel(list.device(), "sampling_collect", as_words(constants)),
                {{0, whole_chunks(op.logits.buffer)}, {1, op.scratch}, {2, op.positions}}, as_words(push),
                {.x = plan.chunks}, {.bytes = 4.0 * op.vocabulary, .flops = 8.0 * op.vocabulary}, "sampling_collect");
}

void record_choose(CommandList& list, const SamplingPlan& plan, const Sample& op, const SamplingNumbers& numbers,
                   std::uint32_t purpose) {
  const shader::ChooseConstants constants{.workgroup_size = plan.choosing_lanes};
  const shader::ChoosePush push{.vocabulary = op.vocabulary,
                                .chunks = plan.chunks,
                                .purpose = purpose,
                                .top_k = numbers.top_k,
                                .with_top_p = numbers.with_top_p ? 1u : 0u,
                                .top_p = numbers.top_p,
                                .log_min_p = numbers.log_min_p,
                                .plain_scale = numbers.plain_scale,
                                .draw_scale = numbers.draw_scale,
                                .seed_low = static_cast<std::uint32_t>(op.settings.seed),
                                .seed_high = static_cast<std::uint32_t>(op.settings.seed >> 32)};
  list.dispatch(list.device().kernel("sampling_choose", as_words(constants)),
                {{0, op.scratch}, {1, op.positions}, {2, op.chosen}}, as_words(push), {},
                {.bytes = 16.0 * op.vocabulary, .flops = 100.0 * op.vocabulary}, "sampling_choose");
}

void record_sampled(CommandList& list, const SamplingPlan& plan, const Sample& op, const SamplingNumbers& numbers) {
  const std::uint32_t purpose = numbers.top_k > 0    ? shader::kWeighCounts
                                : numbers.with_top_p ? shader::kWeighWeights
                                                     : shader::kWeighDraw;
  record_largest(list, plan, op, false);
  record_weigh(list, plan, op, numbers, purpose);
  record_collect(list, plan, op, numbers, purpose);
  record_choose(list, plan, op, numbers, purpose);
  const shader::AdvancePush push{.history_words = history_words(op)};
  list.dispatch(list.device().kernel("sampling_advance"),
                {{0, op.chosen}, {1, op.tokens}, {2, op.positions}, {3, op.history}}, as_words(push), {}, {},
                "sampling_advance");
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
  // The last stage is one workgroup whatever the list's length. A CPU driver wants it narrow, but an invocation must
  // not go through the list in too many trips: 16 entries each, some 46 times for all filters together.
  constexpr std::uint32_t kNarrowVocabulary = 270000;
  const std::uint32_t narrow = vocabulary <= kNarrowVocabulary ? 16 : 32;
  choosing_lanes = profile.shape == ProductShape::kRowPerLane ? narrow : 128;
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
  const SamplingPlan plan(profile, op.vocabulary);
  const SamplingNumbers numbers(op.settings, op.vocabulary);
  if (numbers.penalised_last > 0) record_penalty(list, op, numbers);
  if (op.settings.temperature <= 0) {
    record_greedy(list, plan, op);
  } else {
    record_sampled(list, plan, op, numbers);
  }
}

}  // namespace regroup
