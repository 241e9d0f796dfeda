#include "runtime/decode/locate_model.h"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "runtime/core/error.h"

namespace regroup {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBundled = "regroup-3m.gguf";

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

// The shared library or program that this code is in.
fs::path own_file() {
  Dl_info info{};
  static const char kHere = 0;
  return dladdr(&kHere, &info) != 0 && info.dli_fname != nullptr ? fs::path(info.dli_fname) : fs::path();
}

// The program may stand in a build folder, or in bin/ beside share/regroup/ once installed; the library in lib/ (with
// links followed: the loader finds /usr/lib by the name of /lib).
fs::path bundled_model() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  std::vector<fs::path> starts = {program.parent_path(), fs::canonical(own_file(), error).parent_path(),
                                  fs::current_path(error)};
  for (fs::path folder : starts) {
    for (int up = 0; up < 6 && !folder.empty(); ++up) {
      for (const char* place : {"assets", "share/regroup"}) {
        const fs::path candidate = folder / place / kBundled;
        if (fs::exists(candidate, error)) return candidate;
      }
      if (folder == folder.parent_path()) break;
      folder = folder.parent_path();
    }
  }
  throw_error(ErrorCode::kUsage, "the bundled model assets/{} was not found near the program; give a model with -m",
              kBundled);
}

}  // namespace

fs::path cache_directory() {
  if (const char* own = variable("REGROUP_CACHE")) return own;
  if (const char* xdg = variable("XDG_CACHE_HOME")) return fs::path(xdg) / "regroup";
  if (const char* home = variable("HOME")) return fs::path(home) / ".cache" / "regroup";
  return {};
}

fs::path locate_model(std::string_view model) {
  if (model.empty()) return bundled_model();
  const fs::path given{std::string(model)};
  std::error_code error;
  if (fs::exists(given, error)) return given;
  const bool is_name = model.find('/') == std::string_view::npos;
  const fs::path fetched = cache_directory() / "models" / (std::string(model) + ".gguf");
  if (is_name && fs::exists(fetched, error)) return fetched;
  throw_error(
      ErrorCode::kFailed, "cannot open model '{}': no such file or directory{}", escaped(model),
      is_name ? fmt::format(", and no fetched model {}; `python3 assets/fetch_model.py` lists the names it can fetch",
                            escaped(fetched.string()))
              : std::string("; give a .gguf file, a Hugging Face directory or a fetched model's name"));
}

}  // namespace regroup
