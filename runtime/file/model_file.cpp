#include "runtime/file/model_file.h"

#include <algorithm>
#include <cstring>
#include <system_error>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/file/bad_file.h"
#include "runtime/file/gguf_reader.h"
#include "runtime/file/hugging_face_reader.h"
#include "runtime/file/unknown_file.h"

namespace regroup {

namespace {

bool begins_with_gguf(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0;
}

}  // namespace

std::uint64_t FileTensor::elements() const {
  std::uint64_t product = 1;  // the readers checked that it fits
  for (const std::uint64_t dimension : shape) product *= dimension;
  return product;
}

ModelFile::ModelFile() : config_(std::make_shared<const nlohmann::json>()) {}

ModelFile ModelFile::open(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    const std::string reason =
        error ? error.message() : std::make_error_code(std::errc::no_such_file_or_directory).message();
    throw_error(ErrorCode::kFailed, "cannot open model '{}': {}; give a .gguf file or a Hugging Face directory",
                escaped(path.string(), kShownPathBytes), reason);
  }
  if (std::filesystem::is_directory(status)) return HuggingFaceReader::open(path);
  {
    const MappedFile file = MappedFile::open(path);
    if (!begins_with_gguf(file.bytes())) bad_file(path.string(), "{}", describe_unknown_file(file.bytes()));
  }
  return GgufReader::open(path);
}

const FileTensor* ModelFile::find(std::string_view name) const {
  const auto place = by_name_.find(name);
  return place == by_name_.end() ? nullptr : &tensors_[place->second];
}

void ModelFile::release_pages(std::span<const std::byte> bytes) const {
  const auto file = std::find_if(files_.begin(), files_.end(), [&](const MappedFile& f) { return f.contains(bytes); });
  if (file != files_.end()) file->release_pages(bytes);
}

}  // namespace regroup
