// Who may include whom: every #include of the product is read against two tables.
#include <gtest/gtest.h>

#include <span>

#include "tests/rules/source_tree.h"

namespace regroup::test {
namespace {

using Prefixes = std::vector<std::string_view>;

// A file of `folder` may include files whose paths begin with the folder itself or one of `may_include`.
struct Layer {
  std::string_view folder;
  Prefixes may_include;
};

const std::vector<Layer>& layers() {
  static const std::vector<Layer> table = {
      {"runtime/core/", {}},
      {"runtime/formats/", {"runtime/core/", "shaders/formats/"}},
      {"runtime/file/", {"runtime/formats/", "runtime/core/"}},
      {"runtime/gpu/", {"runtime/core/"}},
      {"runtime/ops/", {"runtime/gpu/", "runtime/formats/", "runtime/core/", "shaders/"}},
      {"runtime/selftest/", {"runtime/ops/", "runtime/gpu/", "runtime/file/", "runtime/formats/", "runtime/core/"}},
      {"runtime/tuning/", {"runtime/ops/", "runtime/gpu/", "runtime/file/", "runtime/formats/", "runtime/core/"}},
      {"runtime/text/", {"runtime/core/"}},
      {"runtime/model/",
       {"runtime/ops/", "runtime/gpu/", "runtime/file/", "runtime/formats/", "runtime/core/", "shaders/"}},
      {"runtime/decode/",
       {"runtime/model/", "runtime/text/", "runtime/ops/", "runtime/gpu/", "runtime/file/", "runtime/formats/",
        "runtime/core/"}},
      {"converter/",
       {"runtime/decode/", "runtime/text/", "runtime/model/", "runtime/ops/", "runtime/gpu/", "runtime/file/",
        "runtime/formats/", "runtime/core/"}},
      {"capi/", {"runtime/", "converter/"}},
      {"plot/", {"runtime/core/"}},
      {"cli/", {"runtime/", "converter/", "plot/"}},
      {"viewer/", {"runtime/", "converter/", "plot/", "cli/option_pages.h", "cli/memory_reserve.h"}},
  };
  return table;
}

// Includes that begin with `header` stand only in files whose paths begin with one of `only_in`.
struct Confined {
  std::string_view header;
  Prefixes only_in;
};

const std::vector<Confined>& confined() {
  static const std::vector<Confined> table = {
      {"vulkan/", {"runtime/gpu/", "viewer/backend/"}},
      {"runtime/gpu/vulkan.h", {"runtime/gpu/", "viewer/backend/"}},
      {"CLI/", {"cli/", "viewer/main.cpp"}},
      {"pcre2", {"runtime/text/"}},
      {"Eigen/", {"converter/"}},
      {"imgui", {"viewer/"}},
      {"GLFW/", {"viewer/backend/"}},
      {"gtest/", {"tests/"}},
      {"tests/", {"tests/"}},
      {"regex", {}},  // overflows the stack on long lines, knows no Unicode: PCRE2 through runtime/text/regex.h
  };
  return table;
}

bool begins_with_one_of(std::string_view text, const Prefixes& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view p) { return text.starts_with(p); });
}

// Why `path` may not include `header`; empty when it may.
std::string objection(std::string_view path, std::string_view header, bool own) {
  for (const Confined& rule : confined()) {
    if (header.starts_with(rule.header) && !begins_with_one_of(path, rule.only_in)) {
      return fmt::format("<{}> is for {} only", header,
                         rule.only_in.empty() ? "nobody" : fmt::format("{}", fmt::join(rule.only_in, ", ")));
    }
  }
  if (!own) return {};
  for (const Layer& layer : layers()) {
    if (!path.starts_with(layer.folder) || header.starts_with(layer.folder)) continue;
    if (!begins_with_one_of(header, layer.may_include)) {
      return fmt::format("{} may include only {}", layer.folder, fmt::join(layer.may_include, ", "));
    }
  }
  return {};
}

TEST(Layering, TablesRefuseWhatTheyShould) {
  EXPECT_EQ(objection("runtime/ops/linear.cpp", "runtime/gpu/kernel.h", true), "");
  EXPECT_EQ(objection("runtime/gpu/vulkan.h", "vulkan/vulkan.h", false), "");
  EXPECT_EQ(objection("cli/run.cpp", "CLI/CLI.hpp", false), "");
  EXPECT_NE(objection("runtime/core/half.h", "runtime/gpu/kernel.h", true), "");
  EXPECT_NE(objection("runtime/gpu/kernel.h", "runtime/ops/linear.h", true), "");
  EXPECT_NE(objection("runtime/text/regex.h", "runtime/file/model_file.h", true), "");
  EXPECT_NE(objection("runtime/ops/linear.cpp", "vulkan/vulkan.h", false), "");
  EXPECT_NE(objection("runtime/model/model.cpp", "CLI/CLI.hpp", false), "");
  EXPECT_NE(objection("runtime/text/regex.cpp", "regex", false), "");
  EXPECT_NE(objection("runtime/core/half.h", "half.h", true), "");  // paths start at the root
}

TEST(Layering, EveryIncludeIsAllowed) {
  std::size_t includes = 0;
  for (const SourceFile& file : sources_in({"runtime", "converter", "plot", "capi", "cli", "viewer"})) {
    const bool has_layer = std::any_of(layers().begin(), layers().end(),
                                       [&](const Layer& layer) { return file.path.starts_with(layer.folder); });
    EXPECT_TRUE(has_layer) << file.path << ": its folder is in no row of the table";
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string header = included_by(file.lines[i]);
      if (header.empty()) continue;
      ++includes;
      const bool own = file.lines[i].find('"') != std::string::npos;
      EXPECT_EQ(objection(file.path, header, own), "") << at(file, i) << ": " << file.lines[i];
      EXPECT_TRUE(!own || source_exists(header)) << at(file, i) << ": no such file: " << header;
    }
  }
  EXPECT_GT(includes, 100u);
}

TEST(Layering, ShadersIncludeShadersOnly) {
  for (const SourceFile& file : sources_in({"shaders"})) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string header = included_by(file.lines[i]);
      if (header.empty() || file.lines[i].find('<') != std::string::npos) continue;
      EXPECT_TRUE(header.starts_with("shaders/") && source_exists(header)) << at(file, i) << ": " << file.lines[i];
    }
  }
}

}  // namespace
}  // namespace regroup::test
