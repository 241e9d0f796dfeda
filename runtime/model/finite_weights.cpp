#include "runtime/model/finite_weights.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/core/error.h"
#include "runtime/file/bad_file.h"
#include "runtime/model/architecture.h"
#include "runtime/model/model.h"
#include "runtime/model/row_sources.h"

namespace regroup {
namespace {

// Of several shards, the one that `tensor` is in.
std::string file_of(const ModelFile& file, const FileTensor& tensor) {
  const auto& shards = file.files();
  const auto shard =
      std::find_if(shards.begin(), shards.end(), [&](const MappedFile& f) { return f.contains(tensor.bytes); });
  return (shard == shards.end() ? file.path() : shard->path()).string();
}

void check_finite(const ModelFile& file, const FileTensor& tensor, const CancelFlag* cancel) {
  const TensorRows rows(tensor);
  std::vector<float> values(tensor.columns());
  const auto count = static_cast<std::uint32_t>(tensor.rows());
  for (std::uint32_t r = 0; r < count; ++r) {
    if (cancelled(cancel)) throw_error(ErrorCode::kInterrupted, "stopped while checking the weights");
    decode_row(tensor.format, rows.row(r), values);
    const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
    if (bad == values.end()) continue;
    bad_file(file_of(file, tensor), "tensor '{}' has {} in row {}, column {}, expected numbers; fetch the file again",
             escaped(tensor.name), *bad, r, bad - values.begin());
  }
  file.release_pages(tensor.bytes);
}

}  // namespace

void check_finite_weights(const ModelFile& file, const CancelFlag* cancel) {
  const ModelOutline outline = read_outline(file);
  const std::uint32_t layers = outline.config.layer_count();
  const TensorTable table(file, outline.architecture->tensor_names(), layers);
  for (const TensorName& row : outline.architecture->tensor_names()) {
    for (std::uint32_t l = 0; l < (is_per_layer(row) ? layers : 1); ++l) {
      if (const FileTensor* tensor = table.find(row.role, l)) check_finite(file, *tensor, cancel);
    }
  }
}

}  // namespace regroup
