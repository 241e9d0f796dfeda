#include "runtime/tuning/product_times.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <ctime>
#include <limits>
#include <map>
#include <memory>

#include "runtime/core/error.h"
#include "runtime/formats/panel_layout.h"
#include "runtime/gpu/command_list.h"
#include "runtime/gpu/transfer.h"
#include "runtime/ops/linear.h"

namespace regroup::tuning {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kMsPerCandidate = 20, kMostMs = 80;
constexpr int kLeastRounds = 5;
// A candidate that takes so many times as long as the best one, twice, is not run again.
constexpr double kHopeless = 2;
// Weights to multiply with in a run: on a GPU more than its caches hold, on a CPU driver little enough for a moment.
constexpr std::uint64_t kGpuBytes = 64u << 20, kCpuBytes = 4u << 20;
// A run takes at least this long, or the submission would be most of it.
constexpr double kLeastRunMs = 1;
constexpr std::uint32_t kMostDispatches = 512;
// Of panels of every height, and of the alignment of views.
constexpr std::uint32_t kRowStep = 64;
// All weights are made of these bytes, which every format reads as numbers of ordinary size.
constexpr std::uint32_t kWord = 0x3c3c3c3cu;
constexpr double kTolerance = 1e-3;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// The matrices of a run: `copies` of [rows, columns], one behind the other.
struct Size {
  std::uint32_t rows, copies;
};

Size size_of_run(const Device& device, const Shape& shape) {
  const std::uint64_t bytes = device.info().type == DeviceType::kCpu ? kCpuBytes : kGpuBytes;
  const std::uint64_t rows_in_all = std::max<std::uint64_t>(
      bytes / PanelLayout{shape.format, 1, shape.columns, 1}.bytes() / kRowStep * kRowStep, kRowStep);
  const std::uint64_t rows = std::min<std::uint64_t>((shape.rows + kRowStep - 1) / kRowStep * kRowStep, rows_in_all);
  return {static_cast<std::uint32_t>(rows),
          static_cast<std::uint32_t>(std::min<std::uint64_t>(rows_in_all / rows, kMostDispatches))};
}

// What a row of such weights gives, on the host, and the sum of the magnitudes that went into it.
struct Expected {
  double sum = 0, magnitude = 0;
};

Expected expected_of(const Shape& shape, std::span<const float> x) {
  const PanelLayout row{shape.format, 1, shape.columns, 1};
  std::vector<std::byte> weights(row.bytes(), std::byte{kWord & 0xff});
  Expected expected;
  for (std::uint32_t k = 0; k < shape.columns; ++k) {
    const double part = double{packed_weight(row, weights, 0, k)} * x[k];
    expected.sum += part;
    expected.magnitude += std::fabs(part);
  }
  return expected;
}

// What all candidates multiply.
class Products {
 public:
  Products(Device& device, const Shape& shape)
      : device_(device),
        shape_(shape),
        size_(size_of_run(device, shape)),
        arena_(device, MemoryUse::kDevice, "tuning"),
        padded_columns_(32 * PanelLayout{shape.format, 1, shape.columns, 1}.blocks()) {
    // Zero in the padding, where the weights are not.
    std::vector<float> x(padded_columns_);
    for (std::size_t k = 0; k < shape.columns; ++k) x[k] = std::cos(0.37f * static_cast<float>(k));
    expected_ = expected_of(shape, x);
    x_ = &arena_.buffer(x.size() * 4, "x");
    upload_values<float>(device, *x_, x);
    y_ = &arena_.buffer(std::uint64_t{4} * size_.rows, "y");
  }

  // `passes` times all matrices.
  void record_run(CommandList& list, const KernelProfile& candidate, std::uint32_t passes) {
    const WeightMatrix& weights = weights_for(candidate.panel_rows);
    for (std::uint32_t i = 0; i < passes * size_.copies; ++i) {
      record(list, candidate,
             Linear{.weight = weights.row_range(i % size_.copies * size_.rows, size_.rows),
                    .x = {*x_, 0, padded_columns_},
                    .y = {*y_, 0, size_.rows}});
    }
  }
  void forget_results() {
    CommandList list(device_);
    list.fill(*y_, 0x7fc00000u);  // not a number
    list.run();
  }
  bool results_are_right() const {
    const std::vector<float> y = download_values<float>(device_, *y_, size_.rows);
    return std::all_of(y.begin(), y.end(), [&](float value) {
      return std::fabs(value - expected_.sum) <= kTolerance * expected_.magnitude;
    });
  }
  std::uint32_t most_passes() const { return std::max(1u, kMostDispatches / size_.copies); }

 private:
  const WeightMatrix& weights_for(std::uint32_t panel_rows) {
    const auto [found, is_new] = weights_.try_emplace(panel_rows);
    if (is_new) {
      found->second = allocate_matrix(
          device_, arena_, {shape_.format, size_.rows * size_.copies, shape_.columns, panel_rows}, "weights");
      CommandList list(device_);
      for (const WeightSlice& slice : found->second.slices) list.fill(slice.panels, kWord);
      list.run();
    }
    return found->second;
  }

  Device& device_;
  Shape shape_;
  Size size_;
  Arena arena_;
  std::uint32_t padded_columns_;
  Expected expected_;
  Buffer *x_ = nullptr, *y_ = nullptr;
  std::map<std::uint32_t, WeightMatrix> weights_;  // by panel_rows
};

// On a CPU driver what the process worked, all threads: how long it took would tell how busy the machine is.
double time_run(CommandList& list) {
  const auto start = Clock::now();
  const std::clock_t worked = std::clock();
  list.run();
  if (list.device().info().type != DeviceType::kCpu) return ms_since(start);
  return std::max(1000.0 * static_cast<double>(std::clock() - worked) / CLOCKS_PER_SEC, 1e-3);
}

// What `work` returns, or nothing after an error that is the candidate's own.
template <typename Work>
std::optional<double> attempt(const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kDeviceLost || error.code() == ErrorCode::kOutOfMemory) throw;
    return std::nullopt;
  }
}

struct Runner {
  std::size_t candidate;
  std::unique_ptr<CommandList> run;
};

}  // namespace

std::string Shape::class_name() const {
  return fmt::format("{} {} x {}", format_info(format).name, std::bit_floor(rows), std::bit_floor(columns));
}

std::vector<std::optional<double>> product_times(Device& device, std::span<const KernelProfile> candidates,
                                                 const Shape& shape) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<std::optional<double>> least(candidates.size(), kNever);
  Products products(device, shape);
  std::vector<Runner> runners;
  double first_ms = kNever;  // of one pass, by the best so far
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    Runner runner{i, std::make_unique<CommandList>(device)};
    const auto warm_up = [&] {
      products.forget_results();
      products.record_run(*runner.run, candidates[i], 1);
      runner.run->run();  // compiles
      if (!products.results_are_right()) return kNever;
      return time_run(*runner.run);
    };
    const std::optional<double> ms = attempt(warm_up);
    if (!ms) least[i].reset();
    if (ms.value_or(kNever) == kNever) continue;
    first_ms = std::min(first_ms, *ms);
    runners.push_back(std::move(runner));
  }
  if (runners.empty()) return least;
  const double wanted_passes = std::ceil(kLeastRunMs / std::max(first_ms, 1e-3));
  const auto passes = static_cast<std::uint32_t>(std::clamp<double>(wanted_passes, 1, products.most_passes()));
  for (const Runner& runner : runners) {
    if (passes == 1) break;
    runner.run->reset();
    products.record_run(*runner.run, candidates[runner.candidate], passes);
  }

  const double time = std::min(kMostMs, kMsPerCandidate * static_cast<double>(runners.size()));
  const auto start = Clock::now();
  double best = kNever;
  for (int round = 1; round <= kLeastRounds || ms_since(start) < time; ++round) {
    for (const Runner& runner : runners) {
      std::optional<double>& ms = least[runner.candidate];
      const std::optional<double> again = attempt([&] { return time_run(*runner.run) / passes; });
      ms = again ? std::optional(std::min(*ms, *again)) : std::nullopt;
      best = std::min(best, ms.value_or(kNever));
    }
    std::erase_if(runners, [&](const Runner& runner) {
      const std::optional<double>& ms = least[runner.candidate];
      return !ms || (round >= 2 && *ms > kHopeless * best);
    });
    if (runners.size() < 2 && round >= kLeastRounds) break;
  }
  return least;
}

}  // namespace regroup::tuning
