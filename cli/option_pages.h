// Man pages and shell completion, written from the same table of options that --help prints from.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>

namespace regroup::cli {

// Adds the hidden option --write-option-pages FOLDER, which writes man1/<program>.1, man1/<program>-<command>.1,
// bash/<program>, zsh/_<program> and fish/<program>.fish below the folder and ends the program. To be added after all
// other options.
void add_option_pages(CLI::App& app, const char* version);

}  // namespace regroup::cli
