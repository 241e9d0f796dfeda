// A directory that gets its name only when it is whole: filled beside the target, then renamed.
#pragma once

#include <filesystem>
#include <string_view>

#include "runtime/file/atomic_file.h"

namespace regroup {

class OutputDirectory {
 public:
  // Throws kUsage as check_replaceable, kFailed when nothing can be made beside it.
  OutputDirectory(std::filesystem::path target, Overwrite overwrite);
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

  // Where files go until commit().
  const std::filesystem::path& path() const { return temporary_; }
  void write_file(std::string_view name, std::string_view text) const;
  // Gives the directory its name; what stood there before is gone.
  void commit();

 private:
  std::filesystem::path target_, temporary_;
  Overwrite overwrite_;
  bool committed_ = false;
};

}  // namespace regroup
