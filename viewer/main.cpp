// The program `regroup-view`: a window, or with --headless a script without one.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/memory_reserve.h"
#include "cli/option_pages.h"
#include "runtime/core/error.h"
#include "viewer/host_memory.h"
#include "viewer/run_window.h"
#include "viewer/script.h"
#include "viewer/script_steps.h"

namespace {

using namespace regroup;

bool is_trace(const std::string& path) {
  return std::filesystem::path(path).extension() == ".json";
}

void complain(const nlohmann::ordered_json& messages, const char* about) {
  for (const auto& message : messages)
    std::fprintf(stderr, "regroup-view: %s%s\n", about, message.get<std::string>().c_str());
}

// Prints the report where it is wanted, and what went wrong; a message of the validation layers is a failure.
int finish(const nlohmann::ordered_json& report, bool json) {
  if (json) std::printf("%s\n", report.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  const auto& messages = report["validation_messages"];
  complain(messages, "validation: ");
  if (report.contains("errors")) complain(report["errors"], "");  // without a window nobody has seen them
  const int code = report.value("exit_code", 0);
  return code == 0 && !messages.empty() ? 1 : code;
}

int run(int argc, char** argv) {
  CLI::App app(
      "Examples:\n"
      "  regroup-view\n"
      "  regroup-view smollm2-135m\n"
      "  regroup-view trace.json [other-trace.json]\n"
      "  regroup-view --headless --script steps.json --screenshot out.png\n\n" +
          std::string(view::kScriptSteps) +
          "\nShows a model decoding, and turns its number of key/value groups while it does.",
      "regroup-view");
  app.set_version_flag("--version", "regroup-view " REGROUP_VERSION);
  std::vector<std::string> files;
  std::string model, device, require, disable, size = "1600x1000";
  view::HeadlessOptions headless;
  bool is_headless = false, json = false, validate = false, no_tune = false;
  app.add_option("files", files, "a model (file, directory or fetched name), or one or two traces (.json)")
      ->expected(0, 2);
  app.add_option("-m,--model", model, "GGUF file, Hugging Face directory or fetched name (default: the bundled model)");
  app.add_option("--device", device,
                 "device: index, UUID or part of the name (default $REGROUP_DEVICE, then the best)");
  app.add_option("--require-features", require, "minimum: use nothing beyond Vulkan 1.1's guaranteed floor");
  app.add_option("--disable", disable, "features to leave unused, as regroup run takes them");
  app.add_flag("--no-tune", no_tune, "take the first family of kernels that suits the device, time none");
  app.add_flag("--headless", is_headless, "no window: draw off-screen, driven by --script");
  app.add_option("--script", headless.script, "JSON list of steps, which are told with the examples")
      ->check(CLI::ExistingFile);
  app.add_option("--seconds", headless.seconds, "begin no step of the script later than that");
  app.add_option("--screenshot", headless.screenshot, "PNG of the last frame");
  app.add_option("--size", size, "pixels of a headless run's screen")->capture_default_str();
  app.add_flag(
      "--json", json,
      "report of the run on stdout when it ends: what was decoded, memory, times of frames and of answers to input");
  app.add_flag("--validate", validate, "run under the Vulkan validation layers and show what they say");
  cli::add_option_pages(app, REGROUP_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "regroup-view: %s; try `regroup-view --help`\n", escaped(error.what(), 400).c_str());
    return 2;
  }
  view::WindowOptions window{
      .stage = {.gpu = {.which = device, .mask = FeatureMask::parse(require, disable), .validation = validate},
                .tune = !no_tune}};
  for (const std::string& file : files) {
    if (is_trace(file)) {
      window.traces.emplace_back(file);
    } else if (model.empty()) {
      model = file;
    } else {
      throw_error(ErrorCode::kUsage, "only one model can be opened, {} is the second", escaped(file));
    }
  }
  window.model = model;
  if (!is_headless) {
    if (!headless.script.empty() || !headless.screenshot.empty()) {
      throw_error(ErrorCode::kUsage, "--script and --screenshot need --headless");
    }
    return finish(view::run_window(window), json);
  }
  unsigned width = 0, height = 0;
  char rest = 0;
  if (std::sscanf(size.c_str(), "%ux%u%c", &width, &height, &rest) != 2 || width < 320 || height < 240 ||
      width > 8192 || height > 8192) {
    throw_error(ErrorCode::kUsage, "--size {}: give WIDTHxHEIGHT, from 320x240 to 8192x8192", escaped(size));
  }
  headless.stage = window.stage;
  headless.model = model;
  headless.traces = window.traces;
  headless.width = width;
  headless.height = height;
  return finish(view::run_headless(headless), json);
}

}  // namespace

int main(int argc, char** argv) {
  regroup::keep_memory_reserve("regroup-view");
  regroup::view::give_freed_memory_back();
  try {
    return run(argc, argv);
  } catch (const regroup::Error& error) {
    std::fprintf(stderr, "regroup-view: %s\n", error.what());
    return regroup::exit_code(error.code());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "regroup-view: out of host memory\n");
    return 6;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "regroup-view: internal error: %s; please report it\n", error.what());
    return 1;
  }
}
