#include "runtime/model/tensor_role.h"

#include <algorithm>
#include <set>

#include "runtime/core/error.h"
#include "runtime/file/bad_file.h"
#include "runtime/file/unused_tensor.h"

namespace regroup {
namespace {

std::string_view pattern(const TensorName& row, ModelFileKind kind) {
  return kind == ModelFileKind::kGguf ? row.gguf : row.hugging_face;
}

// Buffers that some exporters write beside the weights; they follow from the config.
bool is_derived_buffer(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attn.masked_bias") ||
         name.ends_with(".attn.bias") || name.ends_with(".attn_rot_embd");
}

}  // namespace

std::string tensor_name(const TensorName& row, ModelFileKind kind, std::uint32_t layer) {
  const std::string_view text = pattern(row, kind);
  const std::size_t hole = text.find("{}");
  if (hole == std::string_view::npos) return std::string(text);
  return std::string(text.substr(0, hole)) + std::to_string(layer) + std::string(text.substr(hole + 2));
}

bool is_per_layer(const TensorName& row) {
  return row.gguf.find("{}") != std::string_view::npos || row.hugging_face.find("{}") != std::string_view::npos;
}

TensorTable::TensorTable(const ModelFile& file, const std::vector<TensorName>& rows, std::uint32_t layers)
    : file_(file) {
  unused_.insert(file.skipped_tensors().begin(), file.skipped_tensors().end());
  std::set<const FileTensor*> known;
  for (const TensorName& row : rows) {
    if (pattern(row, file.kind()).empty()) continue;
    const std::uint32_t count = is_per_layer(row) ? layers : 1;
    for (std::uint32_t layer = 0; layer < count; ++layer) {
      const std::string name = tensor_name(row, file.kind(), layer);
      const FileTensor* tensor = file.find(name);
      if (tensor == nullptr && name.starts_with("model.")) tensor = file.find(name.substr(6));
      if (tensor == nullptr && row.required) {
        bad_file(file.path().string(), "tensor '{}' is missing", name);
      }
      if (tensor == nullptr) continue;
      known.insert(tensor);
      tensors_[{row.role, layer}] = tensor;
    }
  }
  for (const FileTensor& tensor : file.tensors()) {
    if (known.contains(&tensor) || is_derived_buffer(tensor.name)) continue;
    if (may_be_weight(tensor.name, file.kind())) {
      bad_file(file.path().string(),
               "tensor '{}' is unknown to this architecture; a file with weights that would be ignored is refused",
               escaped(tensor.name));
    }
    unused_.insert(tensor.name);
  }
}

const FileTensor* TensorTable::find(TensorRole role, std::uint32_t layer) const {
  const auto found = tensors_.find({role, layer});
  return found == tensors_.end() ? nullptr : found->second;
}

const FileTensor& TensorTable::get(TensorRole role, std::uint32_t layer) const {
  const FileTensor* tensor = find(role, layer);
  REGROUP_CHECK(tensor != nullptr);
  return *tensor;
}

}  // namespace regroup
