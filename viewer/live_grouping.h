// The ways of merging heads that can be turned on while decoding.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/model/grouping.h"

namespace regroup::view {

// Names, the default first.
std::vector<std::string> live_methods();

// groups: one number for all layers, or one per layer. Throws kUsage for numbers that do not divide a layer's heads.
std::unique_ptr<Grouping> make_grouping(const Model& model, const std::vector<std::uint32_t>& groups,
                                        const std::string& method, std::uint64_t seed);

}  // namespace regroup::view
