// Completion for shells, written from the table of options: commands in the first place, their options where a word
// begins with '-', file names everywhere else.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace regroup::cli {

std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string fish_completion(const CLI::App& app);

}  // namespace regroup::cli
