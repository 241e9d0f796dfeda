// A model file loaded for the viewer, with its tokenizer.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "runtime/core/progress.h"
#include "runtime/decode/trace.h"
#include "runtime/file/model_file.h"
#include "runtime/model/model.h"
#include "runtime/text/tokenizer.h"
#include "viewer/app_state.h"

namespace regroup::view {

struct OpenedModel {
  ModelFile file;
  ModelOutline outline;
  std::optional<Tokenizer> tokenizer;
  KernelProfile profile;
  std::vector<std::string> remarks;  // kernels that the self-test disabled
  std::unique_ptr<Model> model;

  const ModelConfig& config() const { return outline.config; }
  std::uint32_t default_positions() const;
};

// tune: with the kernels that are fastest here, see runtime/tuning. Throws what ModelFile, Model and the memory plan
// throw, before anything that is open already is touched.
std::unique_ptr<OpenedModel> open_model(Device& device, const std::string& name, CacheType cache_type, bool tune,
                                        const Progress& progress, const CancelFlag* cancel);

TraceModel describe_model(const OpenedModel& opened);
DeviceFacts describe_device(const Device& device, const KernelProfile& profile);

}  // namespace regroup::view
