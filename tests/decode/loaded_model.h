// A checkpoint loaded onto the test device, with the grouping that a test asks for.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "runtime/decode/session.h"
#include "runtime/file/model_file.h"
#include "runtime/model/grouping.h"
#include "runtime/model/model.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {

struct LoadedModel {
  ModelFile file;
  std::unique_ptr<Model> model;
  std::unique_ptr<Grouping> grouping;
};

inline LoadedModel load_model(Device& device, const KernelProfile& profile, const std::filesystem::path& path) {
  LoadedModel loaded{.file = ModelFile::open(path)};
  loaded.model = Model::load(device, profile, loaded.file);
  loaded.grouping = std::make_unique<Grouping>(*loaded.model, GroupPlan::identity(loaded.model->config()));
  return loaded;
}

inline std::filesystem::path source_path(const std::string& relative) {
  return std::filesystem::path(REGROUP_SOURCE_DIR) / relative;
}

inline std::filesystem::path bundled_model() {
  return source_path("assets/regroup-3m.gguf");
}

// Names of the kernel families that the device can run.
inline std::vector<std::string> runnable_profiles(const Device& device) {
  std::vector<std::string> names;
  for (const char* name : {"cpu-texel16", "cpu-texel8", "cpu-ssbo4", "cpu-plain", "gpu-subgroup", "gpu-shared"}) {
    try {
      kernel_profile_named(device, name);
      names.emplace_back(name);
    } catch (const std::exception&) {  // the device lacks what it needs
    }
  }
  return names;
}

// Logits [tokens, vocabulary] of a run of tokens from position 0.
inline std::vector<float> logits_of(Session& session, const std::vector<std::uint32_t>& tokens) {
  std::vector<float> all;
  session.all_logits(
      tokens, [&](std::size_t, std::span<const float> rows) { all.insert(all.end(), rows.begin(), rows.end()); });
  return all;
}

}  // namespace regroup::test
