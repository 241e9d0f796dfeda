#include "viewer/live_grouping.h"

namespace regroup::view {

std::vector<std::string> live_methods() {
  std::vector<std::string> names;
  for (const PoolMethod method : {PoolMethod::kMean, PoolMethod::kFirst, PoolMethod::kRandom}) {
    names.emplace_back(pool_method_name(method));
  }
  return names;
}

std::unique_ptr<Grouping> make_grouping(const Model& model, const std::vector<std::uint32_t>& groups,
                                        const std::string& method, std::uint64_t seed) {
  return std::make_unique<Grouping>(model,
                                    GroupPlan::contiguous(model.config(), groups, pool_method_from_name(method), seed));
}

}  // namespace regroup::view
