// A small dialog that chooses a model or a trace: fetched models at one click, folders to walk through.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "viewer/theme.h"

namespace regroup::view {

class FileDialog {
 public:
  void open();
  void close() { open_ = false; }
  bool is_open() const { return open_; }
  // What was chosen in this frame: a path, or the name of a fetched model; empty for the bundled one.
  std::optional<std::filesystem::path> draw(const Theme& theme);

 private:
  struct Entry {
    std::filesystem::path path;
    std::string name;
    bool folder = false;
    std::string size;
  };
  void list();

  bool open_ = false, fresh_ = false;
  std::filesystem::path folder_;
  std::string typed_;
  std::vector<Entry> entries_;
  std::vector<Entry> fetched_;
};

}  // namespace regroup::view
