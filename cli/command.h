// What every command is built from: its row in the table of commands, options shared by several, and how results and
// failures reach the user.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/interrupt.h"
#include "runtime/core/json.h"
#include "runtime/core/progress.h"
#include "runtime/gpu/device.h"
#include "runtime/gpu/instance.h"
#include "runtime/model/group_plan.h"
#include "runtime/ops/kernel_profile.h"
#include "runtime/selftest/check.h"
#include "runtime/tuning/tuned_families.h"

namespace regroup::cli {

// Version of the JSON documents; raised when a field changes its meaning.
inline constexpr int kJsonSchema = 1;
using Json = nlohmann::ordered_json;

// Adds the command to `app`; returns what runs it (0 or an exit code) when it was named.
using AddCommand = std::function<int()> (*)(CLI::App& app);

#define REGROUP_COMMAND(name) std::function<int()> add_##name(CLI::App& app);
#include "cli/commands.def"
#undef REGROUP_COMMAND

bool stderr_is_terminal();
bool stdin_is_terminal();
// A model's text on stdout, at once. As it is into a file or a pipe; what could command a terminal is escaped on one.
void print_text(std::string_view text);
// The document, one line, with the schema field in front and invalid UTF-8 replaced.
void print_json(Json document);
// A remark on stderr.
void note(std::string_view text);

// Shows loading and prefill on a terminal; elsewhere one line per 10 % of work that takes longer than two seconds.
// Nothing when quiet.
Progress progress_on_stderr(bool quiet);

// --device, --require-features, --disable, --kernels, --no-tune, --max-submit-ms
struct DeviceChoice {
  std::string which, require, disable, kernels;
  double max_submit_ms = 40;
  bool no_tune = false, quiet = false;
  std::vector<std::string> spoiled;                    // kernels that compute wrong results on purpose
  std::string faults;                                  // failures on purpose, for tests; see FaultPlan::parse
  mutable std::shared_ptr<FaultPlan> fault_plan = {};  // made from them once, goes on when a device is opened again

  void add_options(CLI::App& command);
  // Opens it and says so when it is only a CPU driver.
  std::unique_ptr<Device> open(const Instance& instance) const;
  // The kernels to use: the fastest for this shape (see tuned_families) that are right for these needs (see
  // trusted_kernels).
  KernelProfile profile(Device& device, const std::optional<tuning::Shape>& shape,
                        const selftest::KernelNeeds& needs) const;
};

// --groups, --method, --calibrate, --calibration-tokens
struct GroupsChoice {
  std::string groups, method = "mean";
  std::uint64_t seed = 0;                // of the method random
  std::string calibrate;                 // a text file; empty: text sampled from the model
  std::uint32_t calibration_tokens = 0;  // 0: as many as CalibrationSize chooses

  void add_options(CLI::App& command);
  // All but --groups, for commands that take several; and all but --groups and --method.
  void add_method_options(CLI::App& command);
  void add_calibration_options(CLI::App& command);
  // BYTES of --groups budget:BYTES. Throws kUsage when it is no number.
  std::optional<std::uint64_t> budget() const;
  // One number per layer; without --groups, or with a budget, those of the checkpoint. Throws kUsage.
  std::vector<std::uint32_t> per_layer(const ModelConfig& config) const;
};

// "8" when all layers are alike, otherwise "8,8,4,2".
std::string groups_text(const std::vector<std::uint32_t>& groups);

// "1,2,3" as token ids. Throws kUsage.
std::vector<std::uint32_t> parse_ids(std::string_view text, std::string_view option);
// Whole file as bytes, at most 1 GiB. Throws kFailed.
std::string read_text_file(const std::string& path);
// Whether a file can stand there, asked before the work whose result it takes.
CLI::Validator output_file();

}  // namespace regroup::cli
