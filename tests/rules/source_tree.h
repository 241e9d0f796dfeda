// Reads the project's own sources for the tests of its rules.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace regroup::test {

struct SourceFile {
  std::string path;  // from the repository's root, with '/'
  std::vector<std::string> lines;

  std::string folder() const { return path.substr(0, path.rfind('/')); }
  std::string stem() const { return std::filesystem::path(path).stem().string(); }
  bool has_extension(std::string_view extension) const { return std::filesystem::path(path).extension() == extension; }
};

// Where a rule is broken, as compilers write it.
inline std::string at(const SourceFile& file, std::size_t line_index) {
  return fmt::format("{}:{}", file.path, line_index + 1);
}

inline bool source_exists(const std::string& path) {
  return std::filesystem::is_regular_file(std::filesystem::path(REGROUP_SOURCE_DIR) / path);
}

inline SourceFile read_source(const std::string& path) {
  SourceFile file{path, {}};
  std::ifstream in(std::filesystem::path(REGROUP_SOURCE_DIR) / path);
  for (std::string line; std::getline(in, line);) file.lines.push_back(line);
  return file;
}

// All sources below the folders, sorted by path. A folder that does not exist has none; tests/data is nobody's source.
inline std::vector<SourceFile> sources_in(std::initializer_list<std::string_view> folders) {
  const std::filesystem::path root = REGROUP_SOURCE_DIR;
  std::vector<std::string> paths;
  for (const std::string_view folder : folders) {
    if (!std::filesystem::is_directory(root / folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string path = entry.path().lexically_relative(root).generic_string();
      if (!entry.is_regular_file() || path.starts_with("tests/data/")) continue;
      for (const std::string_view extension : {".h", ".cpp", ".glsl", ".comp", ".def", ".py", ".cmake", ".sh"}) {
        if (path.ends_with(extension)) paths.push_back(path);
      }
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<SourceFile> files;
  for (const std::string& path : paths) files.push_back(read_source(path));
  return files;
}

// What `#include "x"` or `#include <x>` names; empty for any other line.
inline std::string included_by(std::string_view line) {
  constexpr std::string_view kInclude = "#include ";
  if (!line.starts_with(kInclude)) return {};
  line.remove_prefix(kInclude.size());
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return {};
  const std::size_t end = line.find(line[0] == '"' ? '"' : '>', 1);
  return std::string(line.substr(1, end == std::string_view::npos ? end : end - 1));
}

inline bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Whether the line contains the text without a word going on before it or after it.
inline bool contains_word(std::string_view line, std::string_view text) {
  for (std::size_t begin = line.find(text); begin != std::string_view::npos; begin = line.find(text, begin + 1)) {
    const std::size_t end = begin + text.size();
    const bool starts = begin == 0 || !is_word_character(line[begin - 1]);
    const bool ends = end == line.size() || !is_word_character(text.back()) || !is_word_character(line[end]);
    if (starts && ends) return true;
  }
  return false;
}

}  // namespace regroup::test
