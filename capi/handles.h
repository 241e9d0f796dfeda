// What the opaque handles of the C interface hold. Members in creation order.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "capi/include/regroup/regroup.h"
#include "runtime/core/progress.h"
#include "runtime/decode/session.h"
#include "runtime/file/model_file.h"
#include "runtime/gpu/device.h"
#include "runtime/gpu/instance.h"
#include "runtime/model/grouping.h"
#include "runtime/model/model.h"
#include "runtime/text/tokenizer.h"

struct regroup_device {
  std::unique_ptr<regroup::Instance> instance;
  std::unique_ptr<regroup::Device> device;
  std::filesystem::path cache_folder;
};

struct regroup_model {
  regroup_device& opened;
  regroup::ModelFile file;
  regroup::ModelOutline outline;
  std::optional<regroup::Tokenizer> tokenizer;
  regroup::KernelProfile profile;  // kernels that compute right on this device, as a short self-test found
  std::unique_ptr<regroup::Model> model;
  std::unique_ptr<regroup::Grouping> identity;
};

struct regroup_session {
  const regroup_model& opened;
  regroup::CacheType cache_type;
  std::unique_ptr<regroup::Grouping> grouping;  // chosen last; null: the model's own
  std::unique_ptr<regroup::Session> session;
  regroup::CancelFlag cancel{false};
};
