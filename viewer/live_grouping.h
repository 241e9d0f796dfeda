// The ways of merging heads that can be chosen while decoding: those of the converter, for a model that is open.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/model/grouping.h"
#include "viewer/opened_model.h"

namespace regroup::view {

// Names of the methods that this model allows, the default first; "auto" is the last.
std::vector<std::string> live_methods(const OpenedModel& opened);

// Whether a change of G by this method takes no time worth showing.
bool is_instant_method(std::string_view method);

struct GroupingRequest {
  std::vector<std::uint32_t> groups;  // one number for all layers, or one per layer
  std::string method;
  std::uint64_t seed = 0;  // of the methods that draw
  Progress progress = {};
  const CancelFlag* cancel = nullptr;
  std::function<void(std::string_view)> remark = {};  // what the user may want to know, one line each
};

// Merged at once or taken from the user's cache, where the command line looks too. Throws kUsage for numbers that do
// not divide a layer's heads or a method that the model forbids, kInterrupted, kOutOfMemory.
std::unique_ptr<Grouping> make_grouping(const OpenedModel& opened, const GroupingRequest& request);

}  // namespace regroup::view
