// What the opaque handles of the C interface hold. Members in creation order.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "capi/include/regroup/regroup.h"
#include "runtime/core/error.h"
#include "runtime/core/progress.h"
#include "runtime/decode/session.h"
#include "runtime/file/model_file.h"
#include "runtime/gpu/device.h"
#include "runtime/gpu/instance.h"
#include "runtime/model/grouping.h"
#include "runtime/model/model.h"
#include "runtime/text/tokenizer.h"

// Whose kernels opening a model checks; those of another type are checked when a session asks for it.
inline constexpr regroup::CacheType kCheckedCacheType = regroup::CacheType::kF16;

inline constexpr std::size_t kLongestRemark = 1020;  // bytes

struct regroup_device {
  std::unique_ptr<regroup::Instance> instance;
  std::unique_ptr<regroup::Device> device;
  std::filesystem::path cache_folder;
  void (*on_remark)(void* user, const char* remark) = nullptr;
  void* user = nullptr;

  void remark(std::string_view text) const {
    if (on_remark != nullptr && !text.empty()) on_remark(user, regroup::escaped(text, kLongestRemark).c_str());
  }
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
