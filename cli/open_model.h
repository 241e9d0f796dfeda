// Opening what -m names: file, outline, device, weights and tokenizer, in the order in which failures are cheapest.
#pragma once

#include <memory>
#include <optional>

#include "cli/command.h"
#include "runtime/core/error.h"
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
  MemoryPlan memory;
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
  bool compares_groups = false;  // several groupings, and their logits
  bool reads_text = false;       // which a model without a tokenizer cannot

  CacheType cache_type() const;  // throws kUsage
};

// What decoding `file` so needs kernels for.
selftest::KernelNeeds kernel_needs(const ModelFile& file, const OpenOptions& options);

// Throws what the layers throw. Prints the memory plan on stderr unless quiet.
OpenModel open_model(const OpenOptions& options);

// What `work` returns; an allocation that fails in it is reported with what would fit (see out_of_memory).
template <typename Work>
auto within_memory(const OpenModel& opened, CacheType type, const Work& work) {
  try {
    return work();
  } catch (const Error& failure) {
    if (failure.code() != ErrorCode::kOutOfMemory) throw;
    throw out_of_memory(failure, opened.memory, opened.outline.config, type, opened.device->peak_allocated_bytes());
  }
}

// After `failure` in the middle of decoding: the device opened again (kDeviceLost), or the cache set to f32
// (kNotANumber). False where that is what failed. Nothing may refer to the model any more. Throws kBadModel where the
// file's weights are no numbers.
bool make_ready_again(OpenModel& opened, OpenOptions& options, const Error& failure);

// A session that a lost device or a half-precision overflow does not end: what GenerateOptions::recover asks for.
class LastingSession {
 public:
  // Both outlive this and are changed when the device has to be opened again.
  LastingSession(OpenModel& opened, OpenOptions& options, const SamplingSettings& sampling, StepObserver observer = {});
  Session& get() { return *session_; }
  // On a new device (kDeviceLost), or with a cache of f32 (kNotANumber); null where that is what failed.
  Session* recover(const Error& failure);

 private:
  void start();

  OpenModel& opened_;
  OpenOptions& options_;
  SamplingSettings sampling_;
  StepObserver observer_;  // given to every session
  std::optional<Session> session_;
};

// The groups that `choice` asks for, one number per layer; a budget is shared out among the layers by what each would
// lose. Throws kUsage.
std::vector<std::uint32_t> resolve_groups(const OpenModel& opened, const GroupsChoice& choice, bool quiet);

// The grouping with `groups` (one number per layer) by the chosen method. Throws kUsage, kOutOfMemory.
std::unique_ptr<Grouping> make_grouping(const OpenModel& opened, const GroupsChoice& choice,
                                        const std::vector<std::uint32_t>& groups, bool quiet);

}  // namespace regroup::cli
