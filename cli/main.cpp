// The program `regroup`: finds the command, runs it, turns failures into one line and an exit code.
#include <algorithm>
#include <cstdio>

#include "cli/command.h"
#include "cli/driver_environment.h"
#include "cli/memory_reserve.h"
#include "cli/nearest.h"
#include "cli/option_pages.h"
#include "runtime/core/error.h"

namespace {

constexpr std::size_t kLongestMessage = 4000;

using regroup::cli::nearest;

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string near = nearest(word, known);
  return near.empty() ? ";" : fmt::format("; did you mean '{}'?", near);
}

// One line about a command line that cannot be understood.
int refuse(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  for (const CLI::App* parsed : app.get_subcommands()) command = parsed;
  std::string problem = error.what();
  const std::vector<std::string> left = app.remaining(true);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !left.empty()) {
    std::vector<std::string> options;
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
    }
    problem = fmt::format("'{}' was not expected{}", left.front(), did_you_mean(left.front(), options));
  } else {
    problem += ";";
  }
  const std::string named = command == &app ? "regroup" : "regroup " + command->get_name();
  std::fprintf(stderr, "regroup: %s try `%s --help`\n", regroup::escaped(problem, 400).c_str(), named.c_str());
  return 2;
}

std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  // `regroup help COMMAND` is `regroup COMMAND --help`.
  if (!arguments.empty() && arguments.front() == "help") {
    arguments.erase(arguments.begin());
    arguments.resize(std::min<std::size_t>(arguments.size(), 1));
    arguments.emplace_back("--help");
  }
  // llama-bench's spelling.
  if (!arguments.empty() && arguments.front() == "bench") {
    std::replace(arguments.begin(), arguments.end(), std::string("-pg"), std::string("--pg"));
  }
  return arguments;
}

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
  std::vector<std::string> arguments = arguments_of(argc, argv);
  std::vector<std::string> names{"help"};
  for (const auto& [command, runner] : commands) names.push_back(command->get_name());
  if (!arguments.empty() && !arguments.front().starts_with('-') &&
      std::find(names.begin(), names.end(), arguments.front()) == names.end()) {
    regroup::throw_error(regroup::ErrorCode::kUsage, "'{}' is no command{} `regroup --help` lists them",
                         regroup::escaped(arguments.front(), 80), did_you_mean(arguments.front(), names));
  }
  regroup::prepare_driver_environment(arguments);
  try {
    std::reverse(arguments.begin(), arguments.end());  // what parse() takes
    app.parse(arguments);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    return refuse(app, error);
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
