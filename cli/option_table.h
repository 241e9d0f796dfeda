// What man pages and completions read out of the table of options that --help prints from.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace regroup::cli {

// A description as all of ours are written: "Example:" or "Examples:" with indented lines, an empty line, the text.
struct Description {
  std::vector<std::string> examples;
  std::string text;
};
Description description_of(const CLI::App& app);

// Those that --help shows.
std::vector<const CLI::App*> shown_commands(const CLI::App& app);
std::vector<const CLI::Option*> shown_options(const CLI::App& app);

bool takes_value(const CLI::Option& option);
// "-m", "--model"; none for what has its place instead of a name.
std::vector<std::string> names_of(const CLI::Option& option);

}  // namespace regroup::cli
