// The program `regroup`: finds the command, runs it, turns failures into one line and an exit code.
#include <cstdio>

#include "cli/command.h"
#include "cli/memory_reserve.h"
#include "cli/option_pages.h"
#include "runtime/core/error.h"

namespace {

constexpr std::size_t kLongestMessage = 4000;

int run(int argc, char** argv) {
  using namespace regroup::cli;
  CLI::App app(
      "Examples:\n"
      "  regroup run -p \"In the beginning\" -n 64\n"
      "  regroup run -m smollm2-135m --groups 1 -p \"The capital of France is\"\n\n"
      "Grouped-query attention on any Vulkan GPU.",
      "regroup");
  app.require_subcommand(1);
  app.set_version_flag("--version", "regroup " REGROUP_VERSION);
  std::vector<std::pair<CLI::App*, std::function<int()>>> commands;
#define REGROUP_COMMAND(name)                                      \
  {                                                                \
    const auto runner = add_##name(app);                           \
    commands.emplace_back(app.get_subcommands({}).back(), runner); \
  }
#include "cli/commands.def"
#undef REGROUP_COMMAND
  add_option_pages(app, REGROUP_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "regroup: %s; try `regroup --help`\n", regroup::escaped(error.what(), 400).c_str());
    return 2;
  }
  install_interrupt_handler();
  for (const auto& [command, runner] : commands) {
    if (command->parsed()) return runner();
  }
  return 2;
}

// Whatever went into the message, a path from the command line too, nothing raw reaches the terminal. Where even the
// message finds no memory, that is what is said.
int fail(int code, const char* before, const char* message, const char* after) noexcept {
  try {
    std::fprintf(stderr, "regroup: %s%s%s\n", before, regroup::escaped(message, kLongestMessage).c_str(), after);
    return code;
  } catch (const std::exception&) {
    std::fputs("regroup: out of host memory\n", stderr);
    return 6;
  }
}

// What was printed must have arrived: a full disk is no success.
int check_output(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  regroup::throw_error(regroup::ErrorCode::kFailed, "cannot write to standard output; is the disk full?");
}

}  // namespace

int main(int argc, char** argv) {
  regroup::keep_memory_reserve("regroup");
  try {
    return check_output(run(argc, argv));
  } catch (const regroup::Error& error) {
    return fail(regroup::exit_code(error.code()), "", error.what(), "");
  } catch (const std::bad_alloc&) {
    std::fputs("regroup: out of host memory\n", stderr);
    return 6;
  } catch (const std::exception& error) {
    return fail(1, "internal error: ", error.what(), "; please report it");
  }
}
