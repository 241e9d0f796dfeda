#include "runtime/model/model.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/model/model_loader.h"
#include "runtime/model/stated_tensors.h"

namespace regroup {
namespace {

ModelConfig read_config(const Architecture& architecture, const ModelFile& file) {
  ModelConfig config =
      file.kind() == ModelFileKind::kGguf ? architecture.read_gguf(file) : architecture.read_hugging_face(file);
  config.architecture = architecture.name;
  check_config(config, (file.kind() == ModelFileKind::kGguf ? file.path() : file.path() / "config.json").string());
  return config;
}

}  // namespace

ModelOutline read_outline(const ModelFile& file) {
  ModelOutline outline;
  outline.architecture = &architecture_of(file);
  outline.config = read_config(*outline.architecture, file);
  const TensorTable table(file, outline.architecture->tensor_names(), outline.config.layer_count());
  check_shapes(table, outline.config);
  if (file.kind() == ModelFileKind::kHuggingFace) {
    check_stated_tensors(table, *outline.architecture, outline.config.layer_count());
  }
  outline.unused_tensors = table.unused();
  for (const FileTensor& tensor : file.tensors()) {
    if (!outline.unused_tensors.contains(tensor.name)) outline.parameters += tensor.elements();
  }
  outline.file_bytes = file.file_bytes();
  return outline;
}

std::string ModelOutline::remark() const {
  if (unused_tensors.empty()) return {};
  return fmt::format("the file has {} tensor{} that no model of its kind uses, such as '{}'; not loaded",
                     unused_tensors.size(), unused_tensors.size() == 1 ? "" : "s", escaped(*unused_tensors.begin()));
}

WeightBytes weight_bytes(const ModelFile& file, const ModelOutline& outline, const KernelProfile& profile) {
  const TensorTable table(file, outline.architecture->tensor_names(), outline.config.layer_count());
  WeightBytes bytes;
  for (const FileTensor& tensor : file.tensors()) {
    if (table.unused().contains(tensor.name)) continue;
    if (tensor.shape.size() < 2) {
      bytes.vectors += (tensor.elements() + 31) / 32 * 32 * 4;
    } else {
      bytes.matrices += PanelLayout{tensor.format, static_cast<std::uint32_t>(tensor.rows()),
                                    static_cast<std::uint32_t>(tensor.columns()), profile.panel_rows}
                            .bytes();
    }
  }
  return bytes;
}

std::unique_ptr<Model> Model::load(Device& device, const KernelProfile& profile, const ModelFile& file,
                                   const Progress& progress, const CancelFlag* cancel, const ModelPart& part) {
  const ModelOutline outline = read_outline(file);
  const std::uint32_t layers = outline.config.layer_count();
  REGROUP_CHECK(part.first_layer <= layers);
  const std::uint32_t count = std::min(part.layer_count, layers - part.first_layer);
  std::unique_ptr<Model> model(new Model(device, profile));
  model->architecture_ = outline.architecture;
  model->config_ = outline.config;
  const auto first = outline.config.layers.begin() + part.first_layer;
  model->config_.layers.assign(first, first + count);
  const TensorTable table(file, outline.architecture->tensor_names(), layers);
  ModelLoader(*model, table, part, progress, cancel).load();
  return model;
}

}  // namespace regroup
