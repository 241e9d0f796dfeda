// What a tensor is for, and what the two kinds of files call it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/file/model_file.h"

namespace regroup {

enum class TensorRole {
  kEmbedding,
  kOutput,
  kFinalNorm,
  kRopeDivisors,
  // Per layer:
  kAttentionNorm,
  kQuery,
  kKey,
  kValue,
  kQueryBias,
  kKeyBias,
  kValueBias,
  kQueryNorm,
  kKeyNorm,
  kAttentionOutput,
  kAttentionOutputBias,
  kPostAttentionNorm,
  kFeedForwardNorm,
  kGate,
  kUp,
  kDown,
  kGateBias,
  kUpBias,
  kDownBias,
  kPostFeedForwardNorm,
};

// One row of an architecture's table. "{}" in a name stands for the layer number. An empty name: that kind of file has
// no such tensor.
struct TensorName {
  TensorRole role;
  std::string_view gguf;
  std::string_view hugging_face;
  bool required = true;
};

// The name of (role, layer) in files of `kind`.
std::string tensor_name(const TensorName& row, ModelFileKind kind, std::uint32_t layer);
bool is_per_layer(const TensorName& row);

// Finds the tensors of an architecture in a file. Hugging Face files may put "model." or nothing in front of names.
class TensorTable {
 public:
  // Throws kBadModel for a required tensor that is missing and for a tensor that no row names but whose name is one
  // that models compute with (left out, it would change the result unseen).
  TensorTable(const ModelFile& file, const std::vector<TensorName>& rows, std::uint32_t layers);

  // nullptr when the file lacks an optional tensor.
  const FileTensor* find(TensorRole role, std::uint32_t layer = 0) const;
  const FileTensor& get(TensorRole role, std::uint32_t layer = 0) const;
  const ModelFile& file() const { return file_; }
  // Names of tensors that belong to no part of a model.
  const std::set<std::string>& unused() const { return unused_; }

 private:
  const ModelFile& file_;
  std::set<std::string> unused_;
  std::map<std::pair<TensorRole, std::uint32_t>, const FileTensor*> tensors_;
};

}  // namespace regroup
