#include "cli/shell_completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "cli/option_table.h"

namespace regroup::cli {
namespace {

std::string opening(const CLI::App& app, const char* shell) {
  return fmt::format("# Completion of {} for {}, written by `{} --write-option-pages`.\n", app.get_name(), shell,
                     app.get_name());
}

// "_regroup_view"
std::string function_of(const CLI::App& app) {
  std::string function = "_" + app.get_name();
  std::replace(function.begin(), function.end(), '-', '_');
  return function;
}

std::string option_words(const CLI::App& app) {
  std::string words;
  for (const CLI::Option* option : shown_options(app)) {
    for (const std::string& name : names_of(*option)) words += (words.empty() ? "" : " ") + name;
  }
  return words;
}

// `text` with a backslash in front of each of `special`.
std::string escape(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// A word between single quotes for zsh.
std::string zsh_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

// What _arguments is told of the options of `app`, one after another.
std::string zsh_options(const CLI::App& app, std::string_view indent) {
  std::string out;
  for (const CLI::Option* option : shown_options(app)) {
    const std::vector<std::string> names = names_of(*option);
    if (names.empty()) continue;
    const bool repeats = option->get_expected_max() > 1;
    std::string rest = "[" + escape(option->get_description(), "[]\\") + "]";
    if (takes_value(*option)) rest += ":value:_files";
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : " ") + name;
    for (const std::string& name : names) {
      out += fmt::format(" \\\n{}{}", indent, zsh_quoted((repeats ? "*" : "(" + all + ")") + name + rest));
    }
  }
  return out;
}

std::string fish_quoted(std::string_view text) {
  return "'" + escape(text, "'\\") + "'";
}

std::string fish_options(const CLI::App& app, const std::string& program, const std::string& condition) {
  std::string out;
  for (const CLI::Option* option : shown_options(app)) {
    if (names_of(*option).empty()) continue;
    out += fmt::format("complete -c {}{}", program, condition);
    for (const std::string& name : option->get_snames()) out += " -s " + name;
    for (const std::string& name : option->get_lnames()) out += " -l " + name;
    if (takes_value(*option)) out += " -r";
    out += fmt::format(" -d {}\n", fish_quoted(option->get_description()));
  }
  return out;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  const std::string program = app.get_name(), function = function_of(app);
  std::string commands, cases;
  for (const CLI::App* command : shown_commands(app)) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command->get_name(), option_words(*command));
  }
  std::string out = opening(app, "bash") + fmt::format("{}() {{\n", function);
  out += "  local current=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n  COMPREPLY=()\n";
  if (commands.empty()) {
    out += fmt::format("  words=\"{}\"\n", option_words(app));
  } else {
    out += fmt::format(
        "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"{} {}\" -- \"$current\"))\n    return\n  "
        "fi\n",
        commands, option_words(app));
    out += "  case \"${COMP_WORDS[1]}\" in\n" + cases + "  esac\n";
  }
  out += "  if [[ \"$current\" == -* ]]; then COMPREPLY=($(compgen -W \"$words\" -- \"$current\")); fi\n}\n";
  return out + fmt::format("complete -o default -F {} {}\n", function, program);
}

std::string zsh_completion(const CLI::App& app) {
  const std::string function = function_of(app);
  std::string out = fmt::format("#compdef {}\n", app.get_name()) + opening(app, "zsh") + function + "() {\n";
  std::string commands, cases;
  for (const CLI::App* command : shown_commands(app)) {
    commands += fmt::format("    {}\n", zsh_quoted(command->get_name() + ":" + description_of(*command).text));
    cases += fmt::format("    {}) _arguments{} \\\n        '*:file:_files' ;;\n", command->get_name(),
                         zsh_options(*command, "        "));
  }
  if (commands.empty()) {
    out += fmt::format("  _arguments{} \\\n    '*:file:_files'\n", zsh_options(app, "    "));
  } else {
    out += fmt::format("  local curcontext=\"$curcontext\" state line\n  local -a commands=(\n{}  )\n", commands);
    out += fmt::format("  _arguments -C{} \\\n    '1:command:->command' '*::argument:->arguments'\n",
                       zsh_options(app, "    "));
    out += "  case $state in\n  command) _describe command commands ;;\n  arguments)\n    case $line[1] in\n" + cases +
           "    esac ;;\n  esac\n";
  }
  // Loaded by name on the first use, where the whole file is the function's body.
  return out + fmt::format("}}\n{} \"$@\"\n", function);
}

std::string fish_completion(const CLI::App& app) {
  const std::string program = app.get_name();
  const std::vector<const CLI::App*> commands = shown_commands(app);
  std::string out = opening(app, "fish");
  out += fish_options(app, program, commands.empty() ? "" : " -n __fish_use_subcommand");
  for (const CLI::App* command : commands) {
    out += fmt::format("complete -c {} -n __fish_use_subcommand -f -a {} -d {}\n", program, command->get_name(),
                       fish_quoted(description_of(*command).text));
    out += fish_options(*command, program, fmt::format(" -n '__fish_seen_subcommand_from {}'", command->get_name()));
  }
  return out;
}

}  // namespace regroup::cli
