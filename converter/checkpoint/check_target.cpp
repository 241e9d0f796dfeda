#include "converter/checkpoint/check_target.h"

#include <string_view>
#include <system_error>

#include "runtime/core/error.h"

namespace regroup {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& target, std::string_view reason) {
  throw_error(ErrorCode::kUsage, "cannot write '{}': {}", escaped(target.string()), reason);
}

bool is_same_place(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::exists(b, error) && fs::equivalent(a, b, error);
}

// Whether `file` stands in `folder` or anywhere below it, by its name or by what a link of that name leads to.
bool is_above(const fs::path& folder, const fs::path& file) {
  std::error_code error;
  const fs::path named = fs::canonical(fs::absolute(file, error).parent_path(), error) / file.filename();
  for (fs::path path : {named, fs::canonical(file, error)}) {
    while (path.has_relative_path()) {
      path = path.parent_path();
      if (is_same_place(path, folder)) return true;
    }
  }
  return false;
}

void check_model_directory(const fs::path& target) {
  std::error_code error;
  bool config = false, weights = false, empty = true;
  for (fs::directory_iterator entry(target, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code unused;
    const fs::path name = entry->path().filename();
    empty = false;
    if (entry->is_directory(unused)) {
      refuse(target,
             fmt::format("it holds the directory '{}', and --force replaces only directories of a model's files",
                         escaped(name.string())));
    }
    config = config || name == "config.json";
    weights = weights || name.extension() == ".safetensors";
  }
  if (error || !(empty || (config && weights))) {
    refuse(target, "it is not a model's directory, and --force replaces only those");
  }
}

}  // namespace

fs::path named_path(const fs::path& path) {
  fs::path out = path;
  while (!out.has_filename() && out.has_relative_path()) out = out.parent_path();
  if (out.filename() != "." && out.filename() != "..") return out;
  std::error_code error;
  const fs::path canonical = fs::canonical(out, error);
  return error ? out : canonical;
}

void check_replaceable(const fs::path& target, ModelFileKind kind, Overwrite overwrite) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(target, error))) return;
  if (overwrite == Overwrite::kNo) refuse(target, "it exists already; give another name or --force");
  if (kind == ModelFileKind::kHuggingFace) {
    check_model_directory(target);
  } else if (fs::is_directory(target, error)) {
    refuse(target, "it is a directory, and a name ending .gguf is a file");
  }
}

void check_target(const ModelFile& source, const fs::path& target, ModelFileKind kind, Overwrite overwrite) {
  bool is_input = is_same_place(source.path(), target);
  for (const MappedFile& file : source.files()) is_input = is_input || is_same_place(file.path(), target);
  if (is_input) refuse(target, "it is the input; give another name");
  for (const MappedFile& file : source.files()) {
    if (is_above(target, file.path())) refuse(target, "it holds the input; give another name");
  }
  std::error_code error;
  const fs::path folder = fs::absolute(target, error).lexically_normal().parent_path();
  if (source.kind() == ModelFileKind::kHuggingFace && is_same_place(source.path(), folder)) {
    refuse(target, "it would stand inside the input directory");
  }
  check_replaceable(target, kind, overwrite);
  const fs::file_type found = fs::status(folder, error).type();
  if (found == fs::file_type::none) {
    throw_error(ErrorCode::kFailed, "cannot write '{}': {}", escaped(target.string()), error.message());
  }
  if (found != fs::file_type::directory) refuse(target, "its folder does not exist");
}

void check_space(const fs::path& target, std::uint64_t bytes) {
  std::error_code error;
  const auto space = fs::space(target.has_parent_path() ? target.parent_path() : fs::path("."), error);
  if (error || space.available >= bytes) return;
  throw_error(ErrorCode::kFailed, "cannot write '{}': {} bytes are needed, {} are free on its disk",
              escaped(target.string()), bytes, space.available);
}

}  // namespace regroup
