#include "cli/command.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "converter/budget.h"
#include "converter/merge.h"
#include "runtime/core/error.h"
#include "runtime/decode/locate_model.h"
#include "runtime/selftest/trusted_kernels.h"

namespace regroup::cli {

bool stderr_is_terminal() {
  return isatty(STDERR_FILENO) != 0;
}

bool stdin_is_terminal() {
  return isatty(STDIN_FILENO) != 0;
}

void print_text(std::string_view text) {
  std::string shown;
  if (isatty(STDOUT_FILENO) != 0) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find_first_of("\n\t", at), text.size());
      shown += escaped(text.substr(at, end - at), std::string::npos);
      if (end < text.size()) shown += text[end];
      at = end + 1;
    }
    text = shown;
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void print_json(Json document) {
  Json whole{{"schema", kJsonSchema}};
  whole.update(document);
  const std::string text = whole.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::printf("%s\n", text.c_str());
}

void note(std::string_view text) {
  std::fprintf(stderr, "regroup: %.*s\n", static_cast<int>(text.size()), text.data());
}

namespace {

// Neither asked to leave them out (no-color.org) nor a terminal that shows them as text.
bool takes_escapes() {
  const auto variable = [](const char* name) { return std::string_view(std::getenv(name) ? std::getenv(name) : ""); };
  return variable("NO_COLOR").empty() && variable("TERM") != "dumb";
}

}  // namespace

Progress progress_on_stderr(bool quiet) {
  if (quiet) return {};
  using Clock = std::chrono::steady_clock;
  struct State {
    Clock::time_point start = Clock::now();
    Clock::time_point drawn{};
    std::string label;
    int tenths = 0;
  };
  const auto state = std::make_shared<State>();
  const bool terminal = stderr_is_terminal() && takes_escapes();
  return [state, terminal](std::string_view label, double fraction) {
    const auto now = Clock::now();
    if (state->label != label) *state = {now, {}, std::string(label), 0};
    const double seconds = std::chrono::duration<double>(now - state->start).count();
    const bool done = fraction >= 1.0;
    if (terminal) {
      // Short work needs no bar; a bar is redrawn ten times a second at most and wiped when the work is done.
      if (seconds < 0.3 && !done) return;
      if (done) {
        if (state->drawn != Clock::time_point{}) std::fprintf(stderr, "\r\x1b[K");
        return;
      }
      if (std::chrono::duration<double>(now - state->drawn).count() < 0.1) return;
      state->drawn = now;
      constexpr int kWidth = 24;
      const int filled = static_cast<int>(fraction * kWidth);
      const double left = fraction > 0 ? seconds / fraction - seconds : 0;
      std::fprintf(stderr, "\r%s [%s%s] %3.0f %%  %.1f s left\x1b[K", state->label.c_str(),
                   std::string(filled, '#').c_str(), std::string(kWidth - filled, '.').c_str(), fraction * 100, left);
      return;
    }
    const int tenths = static_cast<int>(fraction * 10);
    if (seconds > 2.0 && tenths > state->tenths) {
      std::fprintf(stderr, "%s %d %%\n", state->label.c_str(), tenths * 10);
    }
    state->tenths = std::max(state->tenths, tenths);
  };
}

void DeviceChoice::add_options(CLI::App& command) {
  command.add_option("--device", which,
                     "device: index, UUID or part of the name (default $REGROUP_DEVICE, then the best)");
  command.add_option("--require-features", require, "minimum: use nothing beyond Vulkan 1.1's guaranteed floor");
  command.add_option("--disable", disable,
                     "features to leave unused: subgroup,arithmetic,shuffle,texel; fp16,storage16,int8,dot are not yet "
                     "used by any kernel");
  command.add_option(
      "--kernels", kernels,
      "force a family of kernels: cpu-texel16, cpu-texel8, cpu-ssbo4, cpu-plain, gpu-subgroup, gpu-shared");
  command.add_flag(
      "--no-tune", no_tune,
      "take the first family that suits the device; time none, heed no timings (`regroup devices` shows them)");
  command.add_option("--max-submit-ms", max_submit_ms, "longest planned submission to the device")
      ->check(CLI::Range(1.0, 1e6));
  command.add_flag("-q,--quiet", quiet, "no remarks and no progress on stderr");
  command
      .add_option("--spoil-kernel", spoiled,
                  "make this kernel compute wrong results on purpose, to see that the self-test finds it")
      ->allow_extra_args(false)
      ->envname("REGROUP_SPOIL_KERNEL");
  command.add_option("--inject-fault", faults)->group("");  // for tests: not in the help text
}

std::unique_ptr<Device> DeviceChoice::open(const Instance& instance) const {
  DeviceOptions options;
  options.which = which;
  options.mask = FeatureMask::parse(require, disable);
  options.cache_directory = cache_directory();
  options.max_submit_ms = max_submit_ms;
  options.owns_process = true;
  if (!faults.empty() && !fault_plan) fault_plan = std::make_shared<FaultPlan>(FaultPlan::parse(faults));
  options.faults = fault_plan.get();
  for (const std::string& name : spoiled) {
    if (!Device::has_kernel(name)) throw_error(ErrorCode::kUsage, "--spoil-kernel {}: no such kernel", escaped(name));
  }
  options.spoiled_kernels = spoiled;
  auto device = Device::open(instance, options);
  if (device->info().type == DeviceType::kCpu && !quiet) {
    note(fmt::format("running on {}, a CPU driver; `regroup devices` lists what else is there", device->info().name));
  }
  return device;
}

KernelProfile DeviceChoice::profile(Device& device, const std::optional<tuning::Shape>& shape,
                                    const selftest::KernelNeeds& needs) const {
  const auto families = !kernels.empty() ? std::vector<KernelProfile>{kernel_profile_named(device, kernels)}
                        : no_tune        ? kernel_profiles(device)
                                         : tuning::tuned_families(device, shape);
  const selftest::TrustedKernels trusted = selftest::trusted_kernels(device, families, needs);
  for (const std::string& remark : trusted.remarks) {
    if (!quiet) note(remark);
  }
  return trusted.profile;
}

void GroupsChoice::add_options(CLI::App& command) {
  command.add_option("--groups", groups,
                     "KV groups: one number for all layers (4), one per layer (8,8,4,2), or budget:BYTES_PER_TOKEN");
  add_method_options(command);
}

void GroupsChoice::add_method_options(CLI::App& command) {
  std::vector<std::string_view> names;
  for (const MergeMethod* known : merge_methods()) names.push_back(known->name);
  command
      .add_option("--method", method,
                  fmt::format("how heads are merged: {} or auto; mean (the paper's), first and random are instant, "
                              "what the others make is kept for the next time",
                              fmt::join(names, ", ")))
      ->capture_default_str();
  add_calibration_options(command);
}

void GroupsChoice::add_calibration_options(CLI::App& command) {
  command.add_option("--calibrate", calibrate,
                     "text for methods that look at activations (default: text that the model writes itself)");
  command
      .add_option("--calibration-tokens", calibration_tokens,
                  "how much text they look at (default: 10240; where weights are fitted up to 65536 for narrow models)")
      ->check(CLI::Range(2u, 1u << 24));
}

std::optional<std::uint64_t> GroupsChoice::budget() const {
  return groups_budget(groups);
}

std::vector<std::uint32_t> GroupsChoice::per_layer(const ModelConfig& config) const {
  if (groups.empty() || budget()) return GroupPlan::identity(config).groups();
  return GroupPlan::contiguous(config, GroupPlan::parse_groups(groups), PoolMethod::kMean).groups();
}

std::string groups_text(const std::vector<std::uint32_t>& groups) {
  const bool uniform = std::all_of(groups.begin(), groups.end(), [&](std::uint32_t g) { return g == groups[0]; });
  return uniform ? std::to_string(groups[0]) : fmt::format("{}", fmt::join(groups, ","));
}

std::vector<std::uint32_t> parse_ids(std::string_view text, std::string_view option) {
  std::vector<std::uint32_t> ids;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    std::uint32_t id = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), id);
    if (error != std::errc{} || end != item.data() + item.size()) {
      throw_error(ErrorCode::kUsage, "{}: '{}' is not a token id; expected a list such as 1,2,3", option,
                  escaped(item));
    }
    ids.push_back(id);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  return ids;
}

std::string read_text_file(const std::string& path) {
  // Also of pipes, whose size nobody knows; /dev/zero has no end.
  constexpr std::size_t kLargestBytes = std::size_t{1} << 30;
  std::ifstream in(path, std::ios::binary);
  std::string text;
  std::vector<char> piece(std::size_t{1} << 20);
  while (in.good() && text.size() <= kLargestBytes) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    text.append(piece.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (text.size() > kLargestBytes) {
    throw_error(ErrorCode::kFailed, "cannot read '{}': it has more than {} bytes", escaped(path), kLargestBytes);
  }
  if (!in.eof()) throw_error(ErrorCode::kFailed, "cannot read '{}': no such file, or not readable", escaped(path));
  return text;
}

CLI::Validator output_file() {
  const auto problem = [](const std::string& path) -> std::string {
    std::error_code error;
    const std::filesystem::path target(path);
    const auto folder = target.has_parent_path() ? target.parent_path() : std::filesystem::path(".");
    // A folder that cannot be looked at is no error of the command line: the write says what is wrong.
    const std::filesystem::file_type found = std::filesystem::status(folder, error).type();
    if (found != std::filesystem::file_type::directory && found != std::filesystem::file_type::none) {
      return fmt::format("cannot write '{}': its folder does not exist", path);
    }
    if (std::filesystem::is_directory(target, error)) return fmt::format("cannot write '{}': it is a folder", path);
    if (std::filesystem::is_block_file(target, error)) return fmt::format("cannot write '{}': it is a disk", path);
    return {};
  };
  return {problem, "", "output file"};
}

}  // namespace regroup::cli
