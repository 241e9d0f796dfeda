#include "cli/figure6.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "cli/bench_model.h"
#include "plot/svg_plot.h"
#include "runtime/core/error.h"
#include "runtime/decode/batch.h"
#include "runtime/file/replace_file.h"

namespace regroup::cli {

using plot::AxisScale;
using plot::Plot;
using plot::PlotSeries;

namespace {

// Sections 3.2 and 3.3 of the paper: T5 1.1 XXL, seconds per sample (Table 1).
constexpr double kPaperMha = 1.51, kPaperGqa8 = 0.28, kPaperMqa = 0.24;
constexpr std::uint32_t kPaperHeads = 64;

// One point of a curve.
struct Point {
  std::uint32_t groups;
  double seconds = 0, deviation = 0;  // per step
};

struct Curve {
  std::uint32_t depth, sequences;
  std::vector<Point> points;  // most groups first: multi-head attention
  bool skipped = false;

  std::string name() const { return fmt::format("{} x {} positions", sequences, depth); }
};

std::vector<std::uint32_t> divisors(std::uint32_t heads) {
  std::vector<std::uint32_t> found;
  for (std::uint32_t g = heads; g > 0; --g) {
    // Powers of two of the heads' share: what the paper measured, and enough for a curve.
    const std::uint32_t share = heads / g;
    if (heads % g == 0 && (share & (share - 1)) == 0) found.push_back(g);
  }
  if (found.back() != 1) found.push_back(1);
  return found;
}

// What of a measurement is plotted: a CPU driver's work is this process's, whoever else uses the machine.
double cost(const Timing& timing, bool cpu_driver) {
  return cpu_driver ? timing.cpu_seconds : timing.seconds;
}

void measure(Curve& curve, const BenchModel& bench, const Figure6Options& options, std::uint32_t steps) {
  const Model& model = bench.model();
  const Grouping grouping(model, GroupPlan::identity(model.config()));
  const std::uint32_t context = curve.depth + 2 * steps + 1;
  require_cache(bench.device(), model.config(), grouping.plan().groups(), options.open.cache_type(), context,
                curve.sequences);
  Batch batch(
      model, grouping,
      {.sequences = curve.sequences, .context = context, .cache_type = options.open.cache_type(), .prefill_chunk = 1});
  measure_decode(batch, curve.depth, 1, &interrupt_flag());  // compiles
  std::vector<double> costs;
  for (std::uint32_t r = 0; r < options.repetitions; ++r) {
    costs.push_back(cost(measure_decode(batch, curve.depth, steps, &interrupt_flag()), bench.subject.cpu_driver) /
                    steps);
  }
  const Summary summary = summarise(costs);
  curve.points.push_back({model.config().most_kv_heads(), summary.mean, summary.deviation});
}

Plot plot_of(const std::vector<Curve>& curves, const BenchSubject& subject, const Figure6Options& options) {
  Plot plot{.title = "Time per token against the number of groups",
            .x = {.label = "number of groups G (KV heads)", .scale = AxisScale::kLog2},
            .y = {.label = "time per token, relative to multi-head attention", .from_zero = true}};
  for (const Curve& curve : curves) {
    if (curve.points.empty()) continue;
    PlotSeries series{.name = curve.name()};
    const double whole = curve.points.front().seconds;
    for (const Point& point : curve.points) {
      series.points.push_back({double{1} * point.groups, point.seconds / whole, point.deviation / whole});
    }
    plot.series.push_back(std::move(series));
  }
  plot.series.push_back({.name = "paper: T5 XXL, per sample",
                         .points = {{kPaperHeads, 1.0}, {8, kPaperGqa8 / kPaperMha}, {1, kPaperMqa / kPaperMha}},
                         .line = true,
                         .dashed = true});
  const ModelConfig& config = subject.config;
  plot.caption = fmt::format(
      "Decoding with {} ({}), KV cache {}: {} query heads of {}, hidden {}, feed-forward {}, {} layers, random "
      "weights; "
      "each curve is a number of sequences decoded together times the positions cached for each. {} per step, mean and "
      "deviation of {} repetitions. Paper: Ainslie et al. 2023, arXiv 2305.13245, Figure 6 and Table 1: time per "
      "sample, of which attention is a part, of T5 XXL on TPUs: 1.51 s with 64 groups, 0.28 s with 8, 0.24 s with 1.",
      subject.device, subject.driver, options.open.kv, config.query_heads, config.head_dim, config.hidden,
      config.feed_forward, config.layer_count(), subject.cpu_driver ? "Process CPU time" : "Wall time",
      options.repetitions);
  return plot;
}

void write_svg(const std::filesystem::path& path, const Plot& plot) {
  const std::string document = svg_plot(plot);
  replace_file(path, document);
}

void print_curves(const std::vector<Curve>& curves, const BenchSubject& subject, bool json) {
  Json rows = Json::array();
  for (const Curve& curve : curves) {
    for (const Point& point : curve.points) {
      const double whole = curve.points.front().seconds;
      rows.push_back({{"n_depth", curve.depth},
                      {"n_sequences", curve.sequences},
                      {"groups", point.groups},
                      {"seconds_per_step", point.seconds},
                      {"stddev_seconds", point.deviation},
                      {"relative_to_mha", point.seconds / whole}});
    }
  }
  if (json) {
    print_json({{"model", subject.name},
                {"device", subject.device},
                {"driver", subject.driver},
                {"time", subject.cpu_driver ? "process cpu" : "wall"},
                {"rows", rows}});
    return;
  }
  std::printf("| sequences | depth | G | ms per step | relative to MHA |\n| ---: | ---: | ---: | ---: | ---: |\n");
  for (const Json& row : rows) {
    std::printf("| %u | %u | %u | %.2f ± %.2f | %.3f |\n", row["n_sequences"].get<std::uint32_t>(),
                row["n_depth"].get<std::uint32_t>(), row["groups"].get<std::uint32_t>(),
                1e3 * row["seconds_per_step"].get<double>(), 1e3 * row["stddev_seconds"].get<double>(),
                row["relative_to_mha"].get<double>());
  }
  std::printf("\n%s, %s, %s; %s\n", subject.name.c_str(), subject.device.c_str(), subject.driver.c_str(),
              subject.cpu_driver ? "process CPU time" : "wall time");
}

}  // namespace

int figure6(const Figure6Options& options) {
  OpenOptions open = options.open;
  const bool chosen = open.model.empty();
  // A CPU driver is given what it can step through in tenths of a second.
  if (chosen) open.model = "synthetic:hidden=512,heads=64,kv=64,head_dim=64,ff=1024,layers=1,vocab=1024,type=f16";
  if (!is_synthetic(open.model)) {
    throw_error(ErrorCode::kUsage, "--figure6 varies the KV heads of a synthetic model: -m synthetic:..., not {}",
                escaped(open.model));
  }
  BenchModel bench = open_bench_model(open);
  const bool cpu = bench.subject.cpu_driver;
  if (chosen && !cpu) open.model = "synthetic:t5-xxl-decoder,layers=4,vocab=4096,type=f16";
  const SyntheticShape shape = parse_synthetic(open.model);
  const std::uint32_t steps = options.steps != 0 ? options.steps : cpu ? 2 : 32;
  std::vector<std::uint32_t> depths = options.depths, sequences = options.sequences;
  if (depths.empty()) depths = cpu ? std::vector<std::uint32_t>{512, 2048} : std::vector<std::uint32_t>{2048, 8192};
  if (sequences.empty()) sequences = cpu ? std::vector<std::uint32_t>{1, 8} : std::vector<std::uint32_t>{1, 32};

  std::vector<Curve> curves;
  for (const std::uint32_t count : sequences) {
    for (const std::uint32_t depth : depths) curves.push_back({.depth = depth, .sequences = count});
  }
  for (const std::uint32_t g : divisors(shape.query_heads)) {
    SyntheticShape grouped = shape;
    grouped.kv_heads = g;
    replace_synthetic(bench, grouped);
    for (Curve& curve : curves) {
      if (curve.skipped) continue;
      try {
        measure(curve, bench, options, steps);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kOutOfMemory) throw;
        // Without multi-head attention there is nothing to compare with.
        curve.skipped = curve.points.empty();
        note(fmt::format("{} left out: {}", curve.name(), error.what()));
        continue;
      }
      if (!open.device.quiet) {
        note(fmt::format("G {}, {}: {:.2f} ms per step", g, curve.name(), 1e3 * curve.points.back().seconds));
      }
    }
  }
  bench.subject.name = shape.name;
  write_svg(options.svg, plot_of(curves, bench.subject, options));
  print_curves(curves, bench.subject, options.json);
  bench.device().save_pipeline_cache();
  return 0;
}

}  // namespace regroup::cli
