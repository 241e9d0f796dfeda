// Every kernel is used by an op, every op has a test, every shader has a contract that tells its bindings.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/rules/source_tree.h"

namespace regroup::test {
namespace {

// Kernels that no op uses, and the folder of the tests that they exist for.
struct TestKernel {
  std::string_view name;
  std::string_view used_in;
};
constexpr TestKernel kTestKernels[] = {{"add", "tests/gpu"}, {"decode", "tests/formats"}};

// One row of a kernels.def, see cmake/Shaders.cmake.
struct KernelRow {
  std::string where;
  std::string name;      // one of the kernels that the row makes
  std::string row_name;  // as written
  std::string source;    // from shaders/
};

// The text between the first `open` from `begin` on and the next `close`.
std::string between(const std::string& line, std::string_view open, std::string_view close, std::size_t begin = 0) {
  const std::size_t start = line.find(open, begin);
  if (start == std::string::npos) return {};
  const std::size_t end = line.find(close, start + open.size());
  return line.substr(start + open.size(), end - start - open.size());
}

std::vector<KernelRow> kernel_rows() {
  std::vector<KernelRow> rows;
  for (const SourceFile& file : sources_in({"shaders"})) {
    if (!file.path.ends_with("/kernels.def")) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (!line.starts_with("REGROUP_KERNEL")) continue;
      const std::string name = between(line, "(", ",");
      // Every list of formats and of cache types has an f32.
      rows.push_back(
          {at(file, i), name + (line.starts_with("REGROUP_KERNEL(") ? "" : "_f32"), name, between(line, "\"", "\"")});
    }
  }
  return rows;
}

// The string literals of a file's code.
std::set<std::string> literals_of(const SourceFile& file) {
  std::set<std::string> literals;
  for (const std::string& line : file.lines) {
    if (!included_by(line).empty()) continue;
    std::size_t open = line.find_first_of("\"/");
    while (open != std::string::npos) {
      if (line[open] == '/') {
        if (line.compare(open, 2, "//") == 0) break;
        open = line.find_first_of("\"/", open + 1);
        continue;
      }
      const std::size_t close = line.find('"', open + 1);
      if (close == std::string::npos) break;
      literals.insert(line.substr(open + 1, close - open - 1));
      open = line.find_first_of("\"/", close + 1);
    }
  }
  return literals;
}

// The names of weight formats and cache types, which are parts of kernels' names.
std::set<std::string> format_names() {
  std::set<std::string> names;
  for (const char* path : {"shaders/formats/formats.def", "shaders/attention/cache_types.def"}) {
    for (const std::string& line : read_source(path).lines) {
      if (line.starts_with("REGROUP_"))
        names.insert(line.substr(0, line.find_first_of(",)")).substr(line.find('(') + 1));
    }
  }
  return names;
}

// Whether `text` can be written with the format string `pattern` when each {} stands for one of the words or a number.
bool can_be_written(std::string_view pattern, std::string_view text, const std::set<std::string>& words) {
  if (pattern.empty()) return text.empty();
  if (!pattern.starts_with("{}")) {
    return !text.empty() && pattern[0] == text[0] && can_be_written(pattern.substr(1), text.substr(1), words);
  }
  const std::string_view rest = pattern.substr(2);
  const auto stands_for = [&](std::string_view word) {
    return word.find('{') == word.npos && text.starts_with(word) &&
           can_be_written(rest, text.substr(word.size()), words);
  };
  if (std::any_of(words.begin(), words.end(), stands_for)) return true;
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  return digits > 0 && stands_for(text.substr(0, digits));
}

// Whether the file's code has the kernel's name as a literal or can build it from its literals.
bool is_written_in(const std::string& name, const SourceFile& file) {
  const std::set<std::string> literals = literals_of(file);
  std::set<std::string> words = format_names();
  words.insert(literals.begin(), literals.end());
  return std::any_of(literals.begin(), literals.end(),
                     [&](const std::string& pattern) { return can_be_written(pattern, name, words); });
}

TEST(KernelCoverage, NamesAreRecognised) {
  const SourceFile file{"x.cpp",
                        {"kernel(\"gated_product\");  // \"commented\"",
                         "fmt::format(\"rope{}{}_{}\", half ? \"_half\" : \"\", norm ? \"_norm\" : \"\", type)",
                         "fmt::format(\"attention_{}_rows{}\", a ? \"shared\" : \"subgroup\", rows)"}};
  for (const char* name :
       {"gated_product", "rope_f32", "rope_half_f32", "rope_half_norm_f32", "attention_shared_rows8"}) {
    EXPECT_TRUE(is_written_in(name, file)) << name;
  }
  for (const char* name : {"commented", "gated", "rope_texel_f32", "attention_texel_rows8", "attention_rows8"}) {
    EXPECT_FALSE(is_written_in(name, file)) << name;
  }
}

TEST(KernelCoverage, EveryKernelIsUsed) {
  const std::vector<SourceFile> ops = sources_in({"runtime/ops"});
  const std::vector<KernelRow> rows = kernel_rows();
  EXPECT_GT(rows.size(), 10u);
  for (const KernelRow& row : rows) {
    bool used = std::any_of(ops.begin(), ops.end(), [&](const SourceFile& f) { return is_written_in(row.name, f); });
    for (const TestKernel& kernel : kTestKernels) {
      if (kernel.name != row.row_name) continue;
      EXPECT_FALSE(used) << row.where << ": " << row.row_name << " is used by an op; it is no test kernel";
      for (const SourceFile& file : sources_in({kernel.used_in})) {
        for (const std::string& line : file.lines)
          used = used || line.find(fmt::format("\"{}", kernel.name)) != line.npos;
      }
    }
    EXPECT_TRUE(used) << row.where << ": no file of runtime/ops uses the kernel " << row.row_name;
  }
}

TEST(KernelCoverage, EveryShaderIsCompiled) {
  std::set<std::string> compiled;
  for (const KernelRow& row : kernel_rows()) compiled.insert("shaders/" + row.source);
  for (const SourceFile& file : sources_in({"shaders"})) {
    if (file.has_extension(".comp")) {
      EXPECT_TRUE(compiled.contains(file.path)) << file.path << ":1: no row of " << file.folder() << "/kernels.def";
    }
  }
  for (const std::string& path : compiled) EXPECT_TRUE(source_exists(path)) << path;
}

// tests/ops/sampling_soft_cap_test.cpp or, for a part of a family, tests/ops/sampling_test.cpp; empty when there is
// none.
std::string test_of(std::string stem) {
  while (true) {
    const std::string path = "tests/ops/" + stem + "_test.cpp";
    if (source_exists(path)) return path;
    const std::size_t underscore = stem.rfind('_');
    if (underscore == stem.npos) return {};
    stem.resize(underscore);
  }
}

TEST(KernelCoverage, EveryOpHasATest) {
  std::size_t ops = 0;
  for (const SourceFile& file : sources_in({"runtime/ops"})) {
    if (!file.has_extension(".cpp")) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      if (!file.lines[i].starts_with("void record(CommandList")) continue;
      ++ops;
      const std::string test = test_of(file.stem());
      ASSERT_NE(test, "") << at(file, i) << ": has no tests/ops/" << file.stem() << "_test.cpp";
      // The last parameter is the op: void record(CommandList& list, const KernelProfile& profile, const Linear& op) {
      std::string signature;
      for (std::size_t j = i; j < file.lines.size() && signature.find(')') == signature.npos; ++j)
        signature += file.lines[j];
      const std::string op = between(signature, "const ", "&", signature.rfind("const "));
      const std::vector<std::string> lines = read_source(test).lines;
      EXPECT_TRUE(
          std::any_of(lines.begin(), lines.end(),
                      [&](const std::string& line) { return included_by(line).empty() && contains_word(line, op); }))
          << at(file, i) << ": " << test << " does not test " << op;
    }
  }
  EXPECT_GT(ops, 5u);
}

struct Binding {
  std::string where;
  std::string number;
  std::string name;
};

// A shader with all that it includes: its bindings, and the rows of its contracts' comments.
struct Shader {
  std::vector<std::string> contracts;
  std::set<std::string> subjects;  // what rows of the contracts begin with: "0 weights  T  uvec4 ..." or "x, y  f32"
  std::vector<Binding> bindings;
};

// The words that begin a comment's row and those after its commas and semicolons.
void add_subjects(std::string_view comment, std::set<std::string>& subjects) {
  std::size_t begin = 0;
  while (begin <= comment.size()) {
    const std::size_t end = std::min(comment.find_first_of(",;", begin), comment.size());
    std::string_view part = comment.substr(begin, end - begin);
    begin = end + 1;
    part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
    if (part.starts_with("binding ")) part.remove_prefix(8);
    part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
    std::size_t length = 0;
    while (length < part.size() && is_word_character(part[length])) ++length;
    if (length > 0) subjects.insert(std::string(part.substr(0, length)));
  }
}

void read_shader(const std::string& path, std::set<std::string>& seen, Shader& shader) {
  if (path == "shaders/common/interop.h" || !seen.insert(path).second) return;
  const SourceFile file = read_source(path);
  const bool contract = file.has_extension(".h");
  if (contract) shader.contracts.push_back(path);
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::string& line = file.lines[i];
    if (const std::string included = included_by(line); !included.empty()) read_shader(included, seen, shader);
    if (contract && line.starts_with("//")) add_subjects(std::string_view(line).substr(2), shader.subjects);
    if (!line.starts_with("layout(") || line.find("binding = ") == line.npos) continue;
    // layout(binding = 2) buffer Y { float y[]; };   or   layout(binding = 3) uniform samplerBuffer gain;
    std::string declared = line.substr(0, line.find(';'));
    if (const std::size_t bracket = declared.rfind('['); bracket != declared.npos) declared.resize(bracket);
    shader.bindings.push_back(
        {at(file, i), between(line, "binding = ", ")"), declared.substr(declared.rfind(' ') + 1)});
  }
}

TEST(KernelCoverage, EveryShaderHasAContractThatTellsItsBindings) {
  std::size_t bindings = 0;
  for (const SourceFile& file : sources_in({"shaders"})) {
    if (!file.has_extension(".comp")) continue;
    Shader shader;
    std::set<std::string> seen;
    read_shader(file.path, seen, shader);
    EXPECT_FALSE(shader.contracts.empty()) << file.path << ":1: includes no contract (.h)";
    EXPECT_FALSE(shader.bindings.empty()) << file.path << ":1: no binding was recognised";
    for (const Binding& binding : shader.bindings) {
      ++bindings;
      EXPECT_TRUE(shader.subjects.contains(binding.number) || shader.subjects.contains(binding.name))
          << binding.where << ": binding " << binding.number << " (" << binding.name << ") of " << file.path
          << " has no row in the comment of " << fmt::format("{}", fmt::join(shader.contracts, ", "));
    }
  }
  EXPECT_GT(bindings, 20u);
}

}  // namespace
}  // namespace regroup::test
