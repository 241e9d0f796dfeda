// Man pages and completion say what --help says, for every command and option.
#include <cstdlib>
#include <set>

#include "tests/cli/program.h"
#include "tests/rules/source_tree.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class OptionPagesTest : public ProgramTest {
 protected:
  static fs::path pages() {
    static const fs::path written = [] {
      const Outcome outcome = run({"--write-option-pages", file("pages").string()});
      EXPECT_EQ(outcome.code, 0) << outcome.err;
      EXPECT_EQ(outcome.out + outcome.err, "");
      return file("pages");
    }();
    return written;
  }
  // Names of the rows of cli/commands.def.
  static std::vector<std::string> commands() {
    std::vector<std::string> names;
    for (const std::string& line : read_source("cli/commands.def").lines) {
      if (line.starts_with("REGROUP_COMMAND(")) names.push_back(line.substr(16, line.find(')') - 16));
    }
    return names;
  }
  // The words of `text` that begin with "--".
  static std::set<std::string> long_options(const std::string& text) {
    std::set<std::string> found;
    for (std::size_t at = text.find("--"); at != text.npos; at = text.find("--", at)) {
      const std::size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-0123456789", at);
      if (end - at > 2 && (at == 0 || text[at - 1] == ' ' || text[at - 1] == ',' || text[at - 1] == '\n'))
        found.insert(text.substr(at, end - at));
      at = end == text.npos ? text.size() : end;
    }
    return found;
  }
};

TEST_F(OptionPagesTest, EveryCommandHasItsPageWithItsOptions) {
  const std::string main_page = text_of(pages() / "man1" / "regroup.1");
  const std::string bash = text_of(pages() / "bash" / "regroup");
  const std::string zsh = text_of(pages() / "zsh" / "_regroup");
  const std::string fish = text_of(pages() / "fish" / "regroup.fish");
  EXPECT_NE(main_page.find(".SH EXIT STATUS"), std::string::npos);
  ASSERT_GE(commands().size(), 9u);
  for (const std::string& command : commands()) {
    SCOPED_TRACE(command);
    EXPECT_NE(main_page.find("\\fB" + command + "\\fR\n"), std::string::npos);
    std::string page = text_of(pages() / "man1" / ("regroup-" + command + ".1"));
    for (std::size_t at = page.find("\\-"); at != page.npos; at = page.find("\\-", at)) page.erase(at, 1);
    // The example of `replay` begins with the run that it replays.
    EXPECT_NE(page.find(".SH EXAMPLES\n.nf\nregroup "), std::string::npos) << page;
    EXPECT_NE(page.find("regroup " + command, page.find(".SH EXAMPLES")), std::string::npos) << page;
    const std::string help = run({command, "--help"}).out;
    const std::string options = help.substr(help.find("Options:"));
    for (const std::string& line_option : long_options(options)) {
      EXPECT_NE(page.find("\\fB" + line_option + "\\fR"), std::string::npos) << line_option;
      EXPECT_NE(bash.find(line_option), std::string::npos) << line_option;
      EXPECT_NE(zsh.find(line_option + "["), std::string::npos) << line_option;
      const std::size_t row = fish.find(" -l " + line_option.substr(2) + " ");
      EXPECT_NE(row, std::string::npos) << line_option;
    }
  }
}

TEST_F(OptionPagesTest, BashCompletes) {
  if (std::system("command -v bash >/dev/null") != 0) GTEST_SKIP() << "no bash";
  const auto completed = [&](const std::string& line) {
    const fs::path script = file("complete.sh");
    std::ofstream(script)
        << "source '" << (pages() / "bash" / "regroup").string() << "'\nCOMP_WORDS=(" << line
        << ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_regroup\nfor w in \"${COMPREPLY[@]}\"; do echo $w; done\n";
    const Outcome outcome = run_program({script.string()}, {.cache = file("cache"), .program = "/bin/bash"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  };
  EXPECT_EQ(completed("regroup tok"), "tokenize\n");
  EXPECT_EQ(completed("regroup run --gro"), "--groups\n");
  EXPECT_EQ(completed("regroup run --temp 0 --see"), "--seed\n");
  EXPECT_EQ(completed("regroup run -m fi"), "");  // files are bash's own
}

TEST_F(OptionPagesTest, FishCompletes) {
  if (std::system("command -v fish >/dev/null") != 0) GTEST_SKIP() << "no fish";
  const auto completed = [&](const std::string& line) {
    const fs::path script = file("complete.fish");
    std::ofstream(script) << "source '" << (pages() / "fish" / "regroup.fish").string() << "'\ncomplete -C '" << line
                          << "' | string replace -r '\\t.*' ''\n";
    const Outcome outcome =
        run_program({"fish", "--no-config", script.string()}, {.cache = file("cache"), .program = "/usr/bin/env"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  };
  EXPECT_EQ(completed("regroup tok"), "tokenize\n");
  EXPECT_EQ(completed("regroup run --gro"), "--groups\n");
  EXPECT_EQ(completed("regroup run --temp 0 --see"), "--seed\n");
}

// Loaded as an interactive zsh loads it, at the first use; what it would offer is asked through its own functions.
TEST_F(OptionPagesTest, ZshLoadsItsCompletion) {
  if (std::system("command -v zsh >/dev/null") != 0) GTEST_SKIP() << "no zsh";
  const fs::path script = file("complete.zsh");
  std::ofstream(script)
      << "_describe() { print -l ${(P)2} }\n_arguments() { local a; for a in $@; do print -r -- $a; done; "
         "state=$WANTED line=(run) }\n"
      << "_files() { }\nfpath=('" << (pages() / "zsh").string()
      << "' $fpath)\nautoload -U _regroup\nWANTED=command; _regroup\nWANTED=arguments; _regroup\n";
  const Outcome outcome =
      run_program({"zsh", "-f", script.string()}, {.cache = file("cache"), .program = "/usr/bin/env"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_NE(outcome.out.find("\ntokenize:"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("\n*--prompt["), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("\n(-n --predict)--predict[most tokens to generate]:value:_files\n"), std::string::npos)
      << outcome.out;
}

TEST_F(OptionPagesTest, ManReadsThePagesWithoutWarnings) {
  if (std::system("command -v man >/dev/null") != 0) GTEST_SKIP() << "no man";
  for (const auto& entry : fs::directory_iterator(pages() / "man1")) {
    const std::string command = "LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=100 man --warnings -E UTF-8 -l -Tutf8 -Z '" +
                                entry.path().string() + "' 2>&1 >/dev/null";
    FILE* pipe = popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string said;
    char buffer[256];
    while (fgets(buffer, sizeof buffer, pipe) != nullptr) said += buffer;
    EXPECT_EQ(pclose(pipe), 0) << entry.path();
    EXPECT_EQ(said, "") << entry.path();
  }
}

}  // namespace
}  // namespace regroup::test
