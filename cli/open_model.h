// Opening what -m names: file, outline, device, weights and tokenizer, in the order in which failures are cheapest.
#pragma once

#include <memory>
#include <optional>

#include "cli/command.h"
#include "runtime/decode/memory_plan.h"
#include "runtime/decode/session.h"
#include "runtime/file/model_file.h"
#include "runtime/model/grouping.h"
#include "runtime/model/model.h"
#include "runtime/text/tokenizer.h"

namespace regroup::cli {

// Members in creation order: destruction needs no thought.
struct OpenModel {
  ModelFile file;
  ModelOutline outline;
  std::optional<Tokenizer> tokenizer;
  std::unique_ptr<Instance> instance;
  std::unique_ptr<Device> device;
  KernelProfile profile;
  std::unique_ptr<Model> model;
  std::unique_ptr<Grouping> grouping;
};

struct OpenOptions {
  std::string model;
  DeviceChoice device;
  GroupsChoice groups;
  std::string kv = "f16";
  std::uint32_t context = 0;  // 0: the default of SessionOptions
  std::uint32_t prefill_chunk = 128;

  CacheType cache_type() const;  // throws kUsage
};

// Throws what the layers throw. Prints the memory plan on stderr unless quiet.
OpenModel open_model(const OpenOptions& options);

// The groups that `choice` asks for, one number per layer; a budget is shared out among the layers by what each would
// lose. Throws kUsage.
std::vector<std::uint32_t> resolve_groups(const OpenModel& opened, const GroupsChoice& choice, bool quiet);

// The grouping with `groups` (one number per layer) by the chosen method. Throws kUsage, kOutOfMemory.
std::unique_ptr<Grouping> make_grouping(const OpenModel& opened, const GroupsChoice& choice,
                                        const std::vector<std::uint32_t>& groups, bool quiet);

}  // namespace regroup::cli
