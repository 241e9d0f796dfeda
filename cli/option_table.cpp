#include "cli/option_table.h"

#include <algorithm>

namespace regroup::cli {

Description description_of(const CLI::App& app) {
  const std::string description = app.get_description();
  Description parts;
  std::size_t begin = 0;
  while (begin <= description.size()) {
    const std::size_t end = std::min(description.find('\n', begin), description.size());
    const std::string line = description.substr(begin, end - begin);
    begin = end + 1;
    if (line.starts_with("  ")) {
      parts.examples.push_back(line.substr(2));
    } else if (!line.starts_with("Example") && !line.empty()) {
      parts.text += (parts.text.empty() ? "" : " ") + line;
    }
  }
  return parts;
}

std::vector<const CLI::App*> shown_commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::vector<const CLI::Option*> shown_options(const CLI::App& app) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) options.push_back(option);
  }
  return options;
}

bool takes_value(const CLI::Option& option) {
  return option.get_expected_max() > 0 && option.get_items_expected_max() > 0;
}

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

}  // namespace regroup::cli
