// Rules for every source file: how long, how it opens, what it does not contain.
#include <gtest/gtest.h>

#include "tests/rules/source_tree.h"

namespace regroup::test {
namespace {

constexpr std::size_t kMaxLines = 600;

// Text that no line of the files below `folder` (empty: all) contains as a word of its own. Written in pieces, so that
// this file does not break its own rule.
struct Banned {
  std::string_view text;
  std::string_view folder;
  std::string_view instead;
};

constexpr Banned kBanned[] = {
    {"std::reg"
     "ex",
     "", "PCRE2 through runtime/text/regex.h"},
    {"abo"
     "rt(",
     "runtime/", "throw Error, or REGROUP_CHECK for our own mistakes"},
    {"ex"
     "it(",
     "runtime/", "throw Error; only main ends the program"},
    {"TO"
     "DO",
     "", "do it, or say in the README that it is not done"},
    {"FIX"
     "ME",
     "", "fix it, or say in the README that it is broken"},
    {"X"
     "XX",
     "", "say what is meant"},
    {"isnan(", "shaders/", "not_numbers(): compilers may assume that there are no NaNs"},
    {"using name"
     "space std",
     "", "write std::"},
};

std::vector<SourceFile> all_sources() {
  return sources_in({"runtime", "converter", "plot", "capi", "cli", "viewer", "shaders", "tests", "cmake", "tools",
                     "examples", "assets"});
}

// The file's job stands in the first line; a .cpp may leave that to the header of its name.
bool opens_with_its_job(const SourceFile& file) {
  if (file.lines.empty()) return false;
  const std::string& first = file.lines[0];
  for (const std::string_view opening : {"//", "/*", "#!", "# ", "\"\"\""}) {
    if (first.starts_with(opening)) return true;
  }
  return file.has_extension(".cpp") && included_by(first) == file.folder() + "/" + file.stem() + ".h";
}

TEST(Style, WordsAreFoundAsWords) {
  EXPECT_TRUE(contains_word("  std::exit(1);", "exit("));
  EXPECT_TRUE(contains_word("// FIX me", "FIX"));
  EXPECT_FALSE(contains_word("at_exit(f);", "exit("));
  EXPECT_FALSE(contains_word("PREFIXED", "FIX"));
}

TEST(Style, NoFileIsTooLong) {
  for (const SourceFile& file : all_sources()) {
    EXPECT_LE(file.lines.size(), kMaxLines) << file.path << ": which two jobs does it do?";
  }
}

TEST(Style, EveryFileOpensWithItsJob) {
  for (const SourceFile& file : all_sources()) {
    EXPECT_TRUE(opens_with_its_job(file)) << file.path << ":1: open with a comment that says what the file is for";
  }
}

TEST(Style, NothingBannedIsWritten) {
  std::size_t files = 0;
  for (const SourceFile& file : all_sources()) {
    ++files;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (const Banned& banned : kBanned) {
        if (!file.path.starts_with(banned.folder)) continue;
        EXPECT_FALSE(contains_word(file.lines[i], banned.text))
            << at(file, i) << ": " << file.lines[i] << "\n  instead: " << banned.instead;
      }
    }
  }
  EXPECT_GT(files, 100u);
}

}  // namespace
}  // namespace regroup::test
