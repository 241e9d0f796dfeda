// Starts the built program as a user would: arguments in, exit code, stdout and stderr out.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/json.h"

namespace regroup::test {

struct Outcome {
  int code = -1;  // 128 + signal when a signal ended it
  std::string out, err;
  double seconds_after_signal = 0;
};

// What a run is told beside its arguments.
struct Surroundings {
  std::filesystem::path cache;
  std::filesystem::path folder = REGROUP_SOURCE_DIR;
  std::filesystem::path program = REGROUP_PROGRAM;
  bool interrupt_after_output = false;  // SIGINT as soon as something stands on stdout
  std::filesystem::path out_to = {};    // stdout goes into this file instead of Outcome::out
  std::vector<std::pair<std::string, std::string>> environment = {};
};

// Reads both pipes until the program has closed them, then its exit code; `heard` is called after every piece.
inline void listen_to(pid_t child, const int (&out)[2], const int (&err)[2], Outcome& outcome,
                      const std::function<void()>& heard) {
  close(out[1]);
  close(err[1]);
  pollfd streams[] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  std::string* texts[] = {&outcome.out, &outcome.err};
  for (int open_streams = 2; open_streams > 0;) {
    poll(streams, 2, -1);
    for (int i = 0; i < 2; ++i) {
      if (streams[i].fd < 0 || streams[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t count = read(streams[i].fd, buffer, sizeof buffer);
      if (count > 0) {
        texts[i]->append(buffer, static_cast<std::size_t>(count));
      } else {
        streams[i].fd = -1;
        --open_streams;
      }
    }
    heard();
  }
  int status = 0;
  waitpid(child, &status, 0);
  close(out[0]);
  close(err[0]);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline Outcome run_program(const std::vector<std::string>& arguments, const Surroundings& around) {
  using Clock = std::chrono::steady_clock;
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
  std::vector<char*> argv = {const_cast<char*>(around.program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("cannot fork");
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    const int none = open("/dev/null", O_RDONLY);
    dup2(none, STDIN_FILENO);
    if (!around.out_to.empty()) dup2(open(around.out_to.c_str(), O_WRONLY | O_CREAT, 0666), STDOUT_FILENO);
    setenv("REGROUP_CACHE", around.cache.c_str(), 1);
    for (const auto& [name, value] : around.environment) setenv(name.c_str(), value.c_str(), 1);
    if (chdir(around.folder.c_str()) == 0) execv(around.program.c_str(), argv.data());
    _exit(127);
  }
  Outcome outcome;
  Clock::time_point signalled{};
  listen_to(child, out, err, outcome, [&] {
    if (!around.interrupt_after_output || outcome.out.empty() || signalled != Clock::time_point{}) return;
    signalled = Clock::now();
    kill(child, SIGINT);
  });
  if (signalled != Clock::time_point{}) {
    outcome.seconds_after_signal = std::chrono::duration<double>(Clock::now() - signalled).count();
  }
  return outcome;
}

// A test of the program with a folder for its files and a cache that it shares with the other tests of the suite.
class ProgramTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder() = std::filesystem::temp_directory_path() / ("regroup-program-test-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder() / "cache");
    std::filesystem::create_directories(folder() / "files");
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder()); }
  // No run may leave a temporary file behind.
  void TearDown() override {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder())) {
      EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
    }
  }

  static std::filesystem::path& folder() {
    static std::filesystem::path path;
    return path;
  }
  static std::filesystem::path file(const std::string& name) { return folder() / "files" / name; }
  static std::string bundled() { return REGROUP_SOURCE_DIR "/assets/regroup-3m.gguf"; }

  static Outcome run(const std::vector<std::string>& arguments) {
    return run_program(arguments, {.cache = folder() / "cache"});
  }
  // The document that a run with --json prints, which is all that it prints.
  static nlohmann::json document(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1) << "not one line";
    const auto parsed = nlohmann::json::parse(outcome.out, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << outcome.out;
    if (parsed.is_object()) {
      EXPECT_EQ(parsed.value("schema", 0), 1);
    }
    return parsed;
  }
  static void expect_keys(const nlohmann::json& object, std::initializer_list<const char*> keys) {
    ASSERT_TRUE(object.is_object());
    for (const char* key : keys) EXPECT_TRUE(object.contains(key)) << key;
  }
};

}  // namespace regroup::test
