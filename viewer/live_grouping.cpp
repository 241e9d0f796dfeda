#include "viewer/live_grouping.h"

#include "converter/live_grouping.h"
#include "converter/merge.h"
#include "runtime/core/error.h"
#include "runtime/decode/locate_model.h"
#include "runtime/model/group_plan.h"
#include "runtime/selftest/trusted_kernels.h"

namespace regroup::view {
namespace {

// Whether the architecture lets the method merge at all: asked with as few groups as there can be.
bool allows(const OpenedModel& opened, const std::string& method) {
  try {
    check_settings(opened.file, opened.outline,
                   {.method = method, .groups = std::vector<std::uint32_t>(opened.config().layers.size(), 1)});
    return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUsage) throw;
    return false;
  }
}

}  // namespace

std::vector<std::string> live_methods(const OpenedModel& opened) {
  std::vector<std::string> names;
  for (const MergeMethod* method : merge_methods()) names.emplace_back(method->name);
  names.emplace_back("auto");
  std::erase_if(names, [&](const std::string& name) { return !allows(opened, name); });
  return names;
}

bool is_instant_method(std::string_view method) {
  return is_instant(method);
}

std::unique_ptr<Grouping> make_grouping(const OpenedModel& opened, const GroupingRequest& request) {
  if (!is_instant(request.method)) {
    const Model& model = *opened.model;
    auto needs = selftest::kernel_needs(opened.file, CacheType::kF16, true);
    needs.calibrating = needs.logits_compared = true;
    selftest::require_kernels(model.device(), model.profile(), needs);
  }
  // The plan checks the numbers and gives one per layer.
  const std::vector<std::uint32_t> groups =
      GroupPlan::contiguous(opened.config(), request.groups, PoolMethod::kMean).groups();
  LiveGrouping job{.file = opened.file,
                   .outline = opened.outline,
                   .model = *opened.model,
                   .tokenizer = opened.tokenizer ? &*opened.tokenizer : nullptr,
                   .settings = {.method = request.method, .groups = groups},
                   .cache_folder = cache_directory(),
                   .remark = request.remark,
                   .progress = request.progress,
                   .cancel = request.cancel};
  // Calibrated methods keep the seed of the command line, so that both find the same file.
  if (is_instant(request.method)) job.settings.seed = request.seed;
  return make_live_grouping(job);
}

}  // namespace regroup::view
