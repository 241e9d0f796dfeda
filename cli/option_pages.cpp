#include "cli/option_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace regroup::cli {
namespace {

struct Page {
  std::string program, version;
};

// Text as troff takes it: no line begins with a command, hyphens stay hyphens when they are copied.
std::string troff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    line_begins = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// A description as all of ours are written: "Example:" or "Examples:" with indented lines, an empty line, the text.
struct Description {
  std::vector<std::string> examples;
  std::string text;
};

Description split(const std::string& description) {
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

bool is_hidden(const CLI::Option& option) {
  return option.get_group().empty();
}

std::vector<const CLI::Option*> shown_options(const CLI::App& app) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options()) {
    if (!is_hidden(*option)) options.push_back(option);
  }
  return options;
}

bool takes_value(const CLI::Option& option) {
  return option.get_expected_max() > 0 && option.get_items_expected_max() > 0;
}

// "-m", "--model"
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

std::string option_rows(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : shown_options(app)) {
    std::string names;
    for (const std::string& name : names_of(*option))
      names += (names.empty() ? "" : ", ") + fmt::format("\\fB{}\\fR", troff(name));
    if (names.empty()) names = fmt::format("\\fI{}\\fR", troff(upper(option->get_name(true))));
    if (!option->get_positional() && takes_value(*option)) names += " \\fIVALUE\\fR";
    out += fmt::format(".TP\n{}\n{}", names, troff(option->get_description()));
    if (!option->get_default_str().empty()) out += fmt::format(" (default {})", troff(option->get_default_str()));
    if (option->get_required()) out += " (required)";
    out += '\n';
  }
  return out;
}

std::string examples_section(const std::vector<std::string>& examples) {
  std::string out;
  for (const std::string& example : examples) out += fmt::format(".nf\n{}\n.fi\n", troff(example));
  return out.empty() ? out : ".SH EXAMPLES\n" + out;
}

constexpr std::string_view kExitStatus =
    ".SH EXIT STATUS\n0 done, 1 the work failed, 2 wrong usage, 3 bad model file, 4 no device or feature, 5 device "
    "lost, "
    "6 out of memory, 130 interrupted.\n";
constexpr std::string_view kEnvironment =
    ".SH ENVIRONMENT\n.TP\n\\fBREGROUP_DEVICE\\fR\nthe device to use where no \\fB\\-\\-device\\fR is given\n"
    ".TP\n\\fBREGROUP_CACHE\\fR\nfolder of fetched models, compiled kernels and merged heads "
    "(default: $XDG_CACHE_HOME/regroup, then ~/.cache/regroup)\n";

// `name`: "regroup run"; `command`: null for the program itself.
std::string man_page(const Page& page, const CLI::App& app, const std::string& name) {
  std::string file_name = name;
  std::replace(file_name.begin(), file_name.end(), ' ', '-');
  const Description description = split(app.get_description());
  const auto commands = app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
  std::string out =
      fmt::format(".TH {} 1 \"\" \"{} {}\" \"User Commands\"\n", troff(upper(file_name)), page.program, page.version);
  std::string summary = description.text;
  while (!summary.empty() && summary.back() == '.') summary.pop_back();
  out += fmt::format(".SH NAME\n{} \\- {}\n", troff(file_name), troff(summary));
  out += fmt::format(".SH SYNOPSIS\n\\fB{}\\fR {}\n", troff(name),
                     commands.empty() ? "[\\fIOPTION\\fR]..." : "\\fICOMMAND\\fR [\\fIOPTION\\fR]...");
  out += fmt::format(".SH DESCRIPTION\n{}\n", troff(description.text));
  if (!commands.empty()) {
    out += ".SH COMMANDS\n";
    for (const CLI::App* command : commands) {
      out +=
          fmt::format(".TP\n\\fB{}\\fR\n{} See {}(1).\n", troff(command->get_name()),
                      troff(split(command->get_description()).text), troff(page.program + "-" + command->get_name()));
    }
  }
  out += ".SH OPTIONS\n" + option_rows(app) + examples_section(description.examples);
  out += kExitStatus;
  out += kEnvironment;
  if (name != page.program) out += fmt::format(".SH SEE ALSO\n{}(1)\n", troff(page.program));
  return out;
}

std::string option_words(const CLI::App& app) {
  std::string words;
  for (const CLI::Option* option : shown_options(app)) {
    for (const std::string& name : names_of(*option)) words += (words.empty() ? "" : " ") + name;
  }
  return words;
}

// Options where a word begins with '-', commands in the first place, file names everywhere else.
std::string bash_completion(const Page& page, const CLI::App& app) {
  std::string function = "_" + page.program;
  std::replace(function.begin(), function.end(), '-', '_');
  std::string commands, cases;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); })) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command->get_name(), option_words(*command));
  }
  std::string out = fmt::format("# Completion of {} for bash, written by `{} --write-option-pages`.\n{}() {{\n",
                                page.program, page.program, function);
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
  out += fmt::format("complete -o default -F {} {}\n", function, page.program);
  return out;
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace

void add_option_pages(CLI::App& app, const char* version) {
  const CLI::App& table = app;
  const auto write_pages = [&table, version](const std::string& folder) {
    const Page page{table.get_name(), version};
    const std::filesystem::path root = folder;
    write(root / "man1" / (page.program + ".1"), man_page(page, table, page.program));
    for (const CLI::App* command : table.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); })) {
      write(root / "man1" / (page.program + "-" + command->get_name() + ".1"),
            man_page(page, *command, page.program + " " + command->get_name()));
    }
    write(root / "bash" / page.program, bash_completion(page, table));
    throw CLI::Success();
  };
  app.add_option_function<std::string>("--write-option-pages", write_pages,
                                       "write man pages and completion to a folder")
      ->group("")
      ->trigger_on_parse();
}

}  // namespace regroup::cli
