#include "cli/option_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/option_table.h"
#include "cli/shell_completion.h"

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
  const Description description = description_of(app);
  const std::vector<const CLI::App*> commands = shown_commands(app);
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
      out += fmt::format(".TP\n\\fB{}\\fR\n{} See {}(1).\n", troff(command->get_name()),
                         troff(description_of(*command).text), troff(page.program + "-" + command->get_name()));
    }
  }
  out += ".SH OPTIONS\n" + option_rows(app) + examples_section(description.examples);
  out += kExitStatus;
  out += kEnvironment;
  if (name != page.program) out += fmt::format(".SH SEE ALSO\n{}(1)\n", troff(page.program));
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
    for (const CLI::App* command : shown_commands(table)) {
      write(root / "man1" / (page.program + "-" + command->get_name() + ".1"),
            man_page(page, *command, page.program + " " + command->get_name()));
    }
    write(root / "bash" / page.program, bash_completion(table));
    write(root / "zsh" / ("_" + page.program), zsh_completion(table));
    write(root / "fish" / (page.program + ".fish"), fish_completion(table));
    throw CLI::Success();
  };
  app.add_option_function<std::string>("--write-option-pages", write_pages,
                                       "write man pages and completion to a folder")
      ->group("")
      ->trigger_on_parse();
}

}  // namespace regroup::cli
