#include "converter/checkpoint/write_checkpoint.h"

#include <optional>

#include "converter/checkpoint/check_target.h"
#include "converter/checkpoint/output_directory.h"
#include "converter/checkpoint/tensor_data.h"
#include "runtime/core/error.h"
#include "runtime/file/gguf_writer.h"
#include "runtime/file/safetensors_writer.h"

namespace regroup {
namespace {

// Streams all tensors into a writer of either kind.
template <typename Writer>
void stream_tensors(const WriteCheckpoint& job, Writer& writer) {
  const double total = static_cast<double>(job.plan.data_bytes());
  std::optional<std::pair<std::uint32_t, AttentionLayer>> resident;
  std::uint64_t done = 0;
  for (const OutputTensor& tensor : job.plan.tensors) {
    if (tensor.merged && (!resident || resident->first != tensor.layer)) {
      resident.reset();
      resident.emplace(tensor.layer, job.merged_layer(tensor.layer));
    }
    for_each_piece(
        tensor, job.source, job.config, job.plan.conventions, tensor.merged ? &resident->second : nullptr,
        [&](std::span<const std::byte> piece) {
          writer.write(tensor.plan.name, piece);
          done += piece.size();
          if (job.progress) job.progress("writing", static_cast<double>(done) / total);
        },
        job.cancel);
  }
}

}  // namespace

std::uint64_t write_checkpoint(const WriteCheckpoint& job) {
  check_space(job.target, job.plan.data_bytes());
  if (job.plan.kind == ModelFileKind::kGguf) {
    GgufWriter writer(job.target, job.metadata, job.plan.tensor_plans(), job.overwrite);
    stream_tensors(job, writer);
    if (job.late_text.make) writer.replace_in_header(job.late_text.placeholder, job.late_text.make());
    writer.finish();
    return writer.file_bytes();
  }
  OutputDirectory directory(job.target, job.overwrite);
  std::uint64_t bytes = 0;
  {
    SafetensorsWriter writer(directory.path() / "model.safetensors", {{"format", "pt"}}, job.plan.tensor_plans());
    stream_tensors(job, writer);
    writer.finish();
    bytes = writer.file_bytes();
  }
  const auto add = [&](std::string_view name, const std::string& text) {
    directory.write_file(name, text);
    bytes += text.size();
  };
  for (const auto& [name, text] : job.files) add(name, text);
  std::string config = job.hugging_face.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  if (job.late_text.make) {
    const std::size_t at = config.rfind(job.late_text.placeholder);
    REGROUP_CHECK(at != std::string::npos);
    config.replace(at, job.late_text.placeholder.size(), job.late_text.make());
  }
  add("config.json", config);
  (void)read_outline(ModelFile::open(directory.path()));  // what was written can be loaded
  directory.commit();
  return bytes;
}

}  // namespace regroup
