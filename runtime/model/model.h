// A checkpoint's weights on a device, in the layout its kernels read. Constant after loading.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/file/model_file.h"
#include "runtime/gpu/device.h"
#include "runtime/model/model_config.h"
#include "runtime/model/tensor_role.h"
#include "runtime/ops/kernel_profile.h"
#include "runtime/ops/weight_matrix.h"

namespace regroup {

struct Architecture;

// A product with optional bias; its result goes to elements y_offset .. of a row of activations.
struct Projection {
  WeightMatrix matrix;
  BufferView bias = {};
  std::uint32_t y_offset = 0;
};

// RMS norm gains are [columns rounded up to 32], padding 0.
struct LayerWeights {
  BufferView attention_norm;
  std::vector<Projection>
      qkv;           // Q, K, V as the checkpoint has them: outputs [query heads | KV heads | KV heads] of head_dim each
  Projection query;  // Q alone (a view of qkv where they are stacked)
  WeightMatrix key, value;                    // K and V alone, for pooling
  std::vector<float> key_bias, value_bias;    // host copies for pooling; empty: none
  BufferView query_norm = {}, key_norm = {};  // QK-norm, in interleaved order
  Projection attention_output;
  BufferView post_attention_norm = {};
  BufferView feed_forward_norm;
  std::optional<Projection> gate_up;  // rows alternate gate, up; absent where their formats differ
  Projection gate, up;                // used when gate_up is absent
  Projection down;
  BufferView post_feed_forward_norm = {};
};

// Bytes that a model needs on a device, known before anything is loaded.
struct WeightBytes {
  std::uint64_t matrices = 0;
  std::uint64_t vectors = 0;
  std::uint64_t total() const { return matrices + vectors; }
};

struct SyntheticShape;

// The part of a checkpoint to load: whole models decode, and passes that go layer by layer hold one at a time.
struct ModelPart {
  std::uint32_t first_layer = 0;
  std::uint32_t layer_count = 0xffffffff;  // so many, or all that follow; they become layers 0, 1, ... of the Model
  bool embedding = true;                   // without it a tied output is missing too
  bool output = true;                      // final norm and output matrix
};

class Model {
 public:
  // Loads `file` (kept open only during this call). Throws kBadModel (unknown architecture, missing or unknown tensors,
  // wrong shapes: all found before the first allocation), kOutOfMemory, kInterrupted.
  static std::unique_ptr<Model> load(Device& device, const KernelProfile& profile, const ModelFile& file,
                                     const Progress& progress = {}, const CancelFlag* cancel = nullptr,
                                     const ModelPart& part = {});

  Device& device() const { return device_; }
  const KernelProfile& profile() const { return profile_; }
  const ModelConfig& config() const { return config_; }
  const Architecture& architecture() const { return *architecture_; }
  const WeightMatrix& embedding() const { return embedding_; }
  const WeightMatrix& output() const { return output_; }  // the embedding when tied
  BufferView final_norm() const { return final_norm_; }
  const LayerWeights& layer(std::uint32_t index) const { return layers_[index]; }
  std::uint64_t weights_bytes() const { return arena_.requested_bytes(); }
  std::uint64_t parameter_count() const { return parameters_; }

 private:
  friend class ModelLoader;
  friend std::unique_ptr<Model> make_synthetic_model(Device&, const KernelProfile&, const SyntheticShape&);
  Model(Device& device, const KernelProfile& profile)
      : device_(device), profile_(profile), arena_(device, MemoryUse::kDevice, "weights") {}

  Device& device_;
  KernelProfile profile_;
  Arena arena_;
  ModelConfig config_;
  const Architecture* architecture_ = nullptr;
  WeightMatrix embedding_, output_;
  BufferView final_norm_;
  std::vector<LayerWeights> layers_;
  std::uint64_t parameters_ = 0;
};

// Reads and checks config and tensor table without touching a device: what `info` and the memory plan need.
struct ModelOutline {
  const Architecture* architecture = nullptr;
  ModelConfig config;
  std::uint64_t parameters = 0;
  std::uint64_t file_bytes = 0;
  std::set<std::string> unused_tensors;  // by names that no model computes with; they are not loaded

  // One line for the user about unused_tensors; empty when there are none.
  std::string remark() const;
};
// Throws kBadModel as Model::load does.
ModelOutline read_outline(const ModelFile& file);
WeightBytes weight_bytes(const ModelFile& file, const ModelOutline& outline, const KernelProfile& profile);

}  // namespace regroup
