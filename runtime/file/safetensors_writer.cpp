#include "runtime/file/safetensors_writer.h"

#include <set>
#include <utility>

#include "runtime/core/checked.h"
#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/file/mapped_file.h"
#include "runtime/file/read_back.h"
#include "runtime/file/safetensors_reader.h"

namespace regroup {

namespace {

const char* data_type_name(const TensorPlan& tensor) {
  switch (tensor.format) {
    case WeightFormat::kF32:
      return "F32";
    case WeightFormat::kF16:
      return "F16";
    case WeightFormat::kBF16:
      return "BF16";
    default:
      throw_error(ErrorCode::kUsage, "cannot write tensor '{}' as {} into safetensors; choose f32, f16 or bf16",
                  escaped(tensor.name), format_info(tensor.format).name);
  }
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(std::filesystem::path target, const std::map<std::string, std::string>& metadata,
                                     std::vector<TensorPlan> tensors, Overwrite overwrite)
    : file_(std::move(target), overwrite), tensors_(std::move(tensors)) {
  std::string text = "{";
  if (!metadata.empty()) text += "\"__metadata__\":" + nlohmann::json(metadata).dump();
  std::vector<TensorStream::Slot> slots;
  std::set<std::string_view> names;
  for (const TensorPlan& tensor : tensors_) {
    REGROUP_CHECK(names.insert(tensor.name).second && tensor.name != "__metadata__");
    const std::uint64_t begin = data_bytes_;
    const auto end = checked_add(begin, planned_bytes(tensor));
    REGROUP_CHECK(end.has_value());
    text += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", text.size() > 1 ? "," : "",
                        nlohmann::json(tensor.name).dump(), data_type_name(tensor), fmt::join(tensor.shape, ","), begin,
                        *end);
    slots.push_back({tensor.name, begin, *end - begin});
    data_bytes_ = *end;
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned to 8 bytes, as the format advises
  const std::uint64_t length = text.size();
  header_.assign(reinterpret_cast<const char*>(&length), sizeof(length));
  header_ += text;
  file_.write(std::as_bytes(std::span(header_)));
  stream_.emplace(file_, std::move(slots));
}

void SafetensorsWriter::finish() {
  stream_->finish(data_bytes_);
  file_.close();
  verify();
  file_.commit();
}

void SafetensorsWriter::verify() const {
  const MappedFile written = MappedFile::open(file_.temporary());
  const SafetensorsContents contents = parse_safetensors(written.bytes(), file_.target().string());
  check_read_back({file_.target(), written.bytes(), contents.tensors}, header_, file_bytes(), tensors_);
}

}  // namespace regroup
