// A conversation on a terminal: what is typed, what is said, and how it ends.
#include <cstdlib>

#include "tests/cli/program.h"

namespace regroup::test {
namespace {

// The two ends of a new terminal: the file descriptor of ours, and the name of the program's.
std::pair<int, std::string> open_terminal() {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) throw std::runtime_error("no terminal");
  return {terminal, ptsname(terminal)};
}

class ChatTest : public ProgramTest {
 protected:
  // Types `lines` into `regroup run --chat` on a terminal of its own, one after each "> "; `control_c` instead of what
  // would come after them.
  static Outcome converse(const std::vector<std::string>& lines, bool control_c = false) {
    const auto [terminal, name] = open_terminal();
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
    const std::filesystem::path cache = folder() / "cache";
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child == 0) {
      setsid();
      dup2(open(name.c_str(), O_RDWR), STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      setenv("REGROUP_CACHE", cache.c_str(), 1);
      execl(REGROUP_PROGRAM, REGROUP_PROGRAM, "run", "-m", bundled().c_str(), "--chat", "-c", "48", "-n", "4", "--temp",
            "0", nullptr);
      _exit(127);
    }
    Outcome outcome;
    std::size_t typed = 0;
    listen_to(child, out, err, outcome, [&, terminal = terminal] {
      if (!outcome.out.ends_with("> ") || typed > lines.size()) return;
      if (typed < lines.size()) {
        const std::string line = lines[typed] + "\n";
        if (write(terminal, line.data(), line.size()) < 0) throw std::runtime_error("cannot type");
        outcome.out += "|";  // answered
      } else if (control_c) {
        kill(child, SIGINT);  // perhaps before the program waits
      }
      ++typed;
    });
    close(terminal);
    return outcome;
  }
  static std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
    return found;
  }
};

TEST_F(ChatTest, AMessageThatDoesNotFitLeavesNoTrace) {
  const std::string long_message = std::string(200, 'x') + " y z";
  const Outcome outcome = converse({long_message, "Hi", "/exit"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(count(outcome.err, "the context holds"), 1u) << outcome.err;  // "Hi" fits again
  EXPECT_EQ(count(outcome.out, "> "), 3u) << outcome.out;
}

TEST_F(ChatTest, CommandsAreNotSaidToTheModel) {
  const Outcome outcome = converse({"/groups", "/help", "/groups 2", "/groups 3", "Hi", "/reset", "/exit"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(count(outcome.err, "commands: /groups G"), 2u) << outcome.err;
  EXPECT_EQ(count(outcome.err, "G is 2 now"), 1u) << outcome.err;
  EXPECT_EQ(count(outcome.err, "--groups 3"), 1u) << outcome.err;
  EXPECT_EQ(count(outcome.out, "> "), 7u) << outcome.out;
}

TEST_F(ChatTest, ControlCEndsItWhileAMessageIsWaitedFor) {
  EXPECT_EQ(converse({"/reset"}, true).code, 130);
}

using TerminalTest = ProgramTest;

// What a model says may hold anything.
TEST_F(TerminalTest, TextCannotCommandIt) {
  const auto ids = document({"tokenize", "-p", "a\x1b[31mb\nc"})["tokens"].get<std::vector<int>>();
  std::string list;
  for (const int id : ids) list += (list.empty() ? "" : ",") + std::to_string(id);
  const std::vector<std::string> arguments = {"tokenize", "--decode", list};
  EXPECT_NE(run(arguments).out.find("a\x1b[31mb\nc"), std::string::npos) << "into a pipe it goes as it is";

  const auto [terminal, name] = open_terminal();
  const int end = open(name.c_str(), O_RDWR | O_NOCTTY);
  run_program(arguments, {.cache = folder() / "cache", .out_to = name});
  close(end);
  std::string shown;
  char buffer[4096];
  for (ssize_t count = 0; (count = read(terminal, buffer, sizeof buffer)) > 0;) {
    shown.append(buffer, static_cast<std::size_t>(count));
    if (shown.ends_with("c\r\n")) break;
  }
  close(terminal);
  EXPECT_NE(shown.find("a\\u{1b}[31mb\r\nc"), std::string::npos) << shown;
}

}  // namespace
}  // namespace regroup::test
