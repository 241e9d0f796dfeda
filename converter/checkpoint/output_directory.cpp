#include "converter/checkpoint/output_directory.h"

#include <unistd.h>

#include <system_error>

#include "converter/checkpoint/check_target.h"
#include "runtime/core/error.h"
#include "runtime/file/exchange_names.h"

namespace regroup {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& target, const std::error_code& error) {
  throw_error(ErrorCode::kFailed, "cannot write '{}': {}", escaped(target.string()), error.message());
}

fs::path beside(const fs::path& target, std::string_view what) {
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  return folder / fmt::format(".{}.{}.{}", target.filename().string(), ::getpid(), what);
}

}  // namespace

OutputDirectory::OutputDirectory(fs::path target, Overwrite overwrite)
    : target_(std::move(target)), overwrite_(overwrite) {
  check_replaceable(target_, ModelFileKind::kHuggingFace, overwrite_);
  std::error_code error;
  temporary_ = beside(target_, "tmp");
  fs::remove_all(temporary_, error);
  if (!fs::create_directory(temporary_, error)) fail(target_, error);
}

OutputDirectory::~OutputDirectory() {
  if (committed_) return;
  try {
    std::error_code unused;
    fs::remove_all(temporary_, unused);
  } catch (const std::exception&) {  // no memory to list it: the next conversion to this name removes it
  }
}

void OutputDirectory::write_file(std::string_view name, std::string_view text) const {
  AtomicFile file(temporary_ / name, Overwrite::kNo);
  file.write(std::as_bytes(std::span(text)));
  file.close();
  file.commit();
}

void OutputDirectory::commit() {
  std::error_code error;
  const bool replaces = overwrite_ == Overwrite::kYes && fs::exists(target_, error);
  if (replaces && exchange_names(temporary_, target_)) {
    committed_ = true;
    fs::remove_all(temporary_, error);  // the old one
    return;
  }
  // Between these two steps there is no target: remove_abandoned() brings the old one back.
  const fs::path old = beside(target_, "old.tmp");
  if (replaces) {
    fs::rename(target_, old, error);
    if (error) fail(target_, error);
  }
  fs::rename(temporary_, target_, error);
  if (error) {
    std::error_code unused;
    if (replaces) fs::rename(old, target_, unused);
    fail(target_, error);
  }
  committed_ = true;
  if (replaces) fs::remove_all(old, error);
}

}  // namespace regroup
