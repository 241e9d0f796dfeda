#include "viewer/opened_model.h"

#include <algorithm>

#include "runtime/decode/load_tokenizer.h"
#include "runtime/decode/locate_model.h"
#include "runtime/decode/memory_plan.h"
#include "runtime/decode/trace_recorder.h"
#include "runtime/model/kv_cache.h"
#include "runtime/selftest/trusted_kernels.h"
#include "runtime/tuning/tuned_families.h"

namespace regroup::view {

std::uint32_t OpenedModel::default_positions() const {
  return std::min(config().context_length, kDefaultContext);
}

std::unique_ptr<OpenedModel> open_model(Device& device, const std::string& name, CacheType cache_type, bool tune,
                                        const Progress& progress, const CancelFlag* cancel) {
  std::unique_ptr<OpenedModel> opened(new OpenedModel{.file = ModelFile::open(locate_model(name))});
  opened->outline = read_outline(opened->file);
  check_cache_type(opened->config(), cache_type);
  const selftest::KernelNeeds needs = selftest::kernel_needs(opened->file, cache_type, true);
  selftest::TrustedKernels trusted = selftest::trusted_kernels(
      device, tune ? tuning::tuned_families(device, tuning::shape_of(opened->file)) : kernel_profiles(device), needs);
  opened->profile = trusted.profile;
  opened->remarks = std::move(trusted.remarks);
  opened->tokenizer = load_tokenizer(opened->file, opened->config().vocabulary);
  std::vector<std::uint32_t> groups;
  for (const LayerConfig& layer : opened->config().layers) groups.push_back(layer.kv_heads);
  require_fit(plan_memory(device, opened->profile, opened->file, opened->outline, groups, cache_type,
                          opened->default_positions(), SessionOptions{}.prefill_chunk),
              opened->config(), cache_type);
  opened->model = Model::load(device, opened->profile, opened->file, progress, cancel);
  return opened;
}

TraceModel describe_model(const OpenedModel& opened) {
  return trace_model(opened.file.path(), opened.outline, opened.model->weights_bytes());
}

DeviceFacts describe_device(const Device& device, const KernelProfile& profile) {
  const DeviceFeatures &offered = device.info().features, &used = device.features();
  DeviceFacts facts{.name = device.info().name,
                    .driver = device.info().driver,
                    .type = std::string(device_type_name(device.info().type)),
                    .kernels = std::string(profile.name),
                    .memory_bytes = device.info().memory_bytes,
                    .allocated_bytes = device.allocated_bytes(),
                    .timestamps = device.timestamp_bits() > 0};
  // Only what kernels use and the device offers: a masked feature is one that is offered and not in use.
  const auto feature = [&](const char* name, bool is_offered, bool in_use) {
    if (is_offered) facts.features.emplace_back(name, in_use);
  };
  feature("subgroup arithmetic", offered.subgroup_arithmetic, used.subgroup_arithmetic);
  feature("subgroup shuffle", offered.subgroup_shuffle, used.subgroup_shuffle);
  feature("subgroup broadcast", offered.subgroup_broadcast, used.subgroup_broadcast);
  feature("texel buffers", offered.texel_buffers, used.texel_buffers);
  facts.limits = {{"subgroup size", std::to_string(used.subgroup_size)},
                  {"workgroup invocations", std::to_string(used.max_workgroup_invocations)},
                  {"shared memory", human_bytes(used.max_shared_memory_bytes)},
                  {"storage buffers", std::to_string(used.max_storage_buffers)},
                  {"largest binding", human_bytes(used.max_storage_buffer_range)}};
  return facts;
}

}  // namespace regroup::view
