// regroup bench: prefill and decode speed as llama-bench reports them, for each G, context depth, cache type and number
// of sequences, with memory and the device's own rates beside.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <thread>

#include "cli/bench_compare.h"
#include "cli/bench_model.h"
#include "cli/bench_rows.h"
#include "cli/command.h"
#include "cli/figure6.h"
#include "runtime/core/error.h"
#include "runtime/decode/batch.h"
#include "runtime/model/finite_weights.h"
#include "runtime/model/kv_cache.h"
#include "runtime/selftest/trusted_kernels.h"

namespace regroup::cli {
namespace {

struct BenchOptions {
  OpenOptions open;
  std::vector<std::uint32_t> prompts = {512}, generated = {128}, depths = {0}, sequences = {1};
  std::vector<std::string> both;  // "512,128": a prompt and then tokens
  std::vector<std::string> kv = {"f16"};
  std::uint32_t repetitions = 5, delay_seconds = 0;
  bool kernel_times = false, no_warmup = false;
  std::string output = "md";
  bool json = false;
  std::vector<std::string> compare;
  std::string figure6;
  bool depths_given = false, sequences_given = false, generated_given = false;
};

// A prompt, tokens to generate, or one after the other.
struct Test {
  std::uint32_t prompt = 0, generated = 0;
};

std::vector<Test> tests_of(const BenchOptions& options) {
  std::vector<Test> tests;
  for (const std::uint32_t count : options.prompts) {
    if (count > 0) tests.push_back({.prompt = count});
  }
  for (const std::uint32_t count : options.generated) {
    if (count > 0) tests.push_back({.generated = count});
  }
  for (const std::string& pair : options.both) {
    const auto counts = parse_ids(pair, "--pg");
    if (counts.size() != 2 || counts[0] == 0 || counts[1] == 0) {
      throw_error(ErrorCode::kUsage, "--pg '{}': expected a prompt length and a number of tokens, as in --pg 512,128",
                  escaped(pair));
    }
    tests.push_back({counts[0], counts[1]});
  }
  if (tests.empty()) throw_error(ErrorCode::kUsage, "nothing to measure: -p and -n are both 0");
  const bool one = std::find(options.sequences.begin(), options.sequences.end(), 1u) != options.sequences.end();
  if (!one && std::all_of(tests.begin(), tests.end(), [](const Test& test) { return test.prompt > 0; })) {
    throw_error(ErrorCode::kUsage, "nothing to measure: several sequences are measured with -n only");
  }
  return tests;
}

// One list per setting. Numbers are settings here, not layers.
std::vector<std::vector<std::uint32_t>> bench_settings(const BenchOptions& options, const BenchModel& bench) {
  const ModelConfig& config = bench.model().config();
  const GroupsChoice& choice = options.open.groups;
  if (choice.groups.empty()) return {GroupPlan::identity(config).groups()};
  if (choice.budget()) {
    if (!bench.opened) throw_error(ErrorCode::kUsage, "--groups budget:N weighs the layers of a checkpoint; give one");
    selftest::require_kernels(bench.device(), bench.profile, kernel_needs(bench.opened->file, options.open));
    return {resolve_groups(*bench.opened, choice, options.open.device.quiet)};
  }
  std::vector<std::vector<std::uint32_t>> settings;
  for (const std::uint32_t g : GroupPlan::parse_groups(choice.groups)) {
    settings.push_back(GroupPlan::contiguous(config, {g}, PoolMethod::kMean).groups());
  }
  return settings;
}

// A synthetic model can only be pooled: there is no checkpoint to merge.
std::unique_ptr<Grouping> bench_grouping(const BenchModel& bench, const OpenOptions& open,
                                         const std::vector<std::uint32_t>& groups) {
  if (bench.opened) return make_grouping(*bench.opened, open.groups, groups, open.device.quiet);
  return std::make_unique<Grouping>(
      bench.model(), GroupPlan::contiguous(bench.model().config(), groups, pool_method_from_name(open.groups.method)));
}

CacheType cache_type_of(const std::string& name) {
  OpenOptions options;
  options.kv = name;
  return options.cache_type();
}

// All rows of one grouping and cache type.
class Bench {
 public:
  using Done = std::function<void(BenchRow)>;

  Bench(const BenchOptions& options, const BenchModel& bench, const Grouping& grouping, const std::string& kv)
      : options_(options), bench_(bench), grouping_(grouping), kv_(kv), type_(cache_type_of(kv)) {}

  void one_sequence(const std::vector<Test>& tests, std::uint32_t context, const Done& done) {
    require_cache(bench_.device(), config(), groups(), type_, context, 1);
    Session session = open_session(context, false);
    for (const std::uint32_t depth : options_.depths) {
      for (const Test& test : tests) {
        BenchRow row = start_row(test, depth, 1, session.cache().bytes());
        row.scratch_bytes = session.scratch_bytes();
        repeat(row, [&] { return run(session, test, depth); });
        if (options_.kernel_times) {
          Session timed = open_session(context, true);
          run(timed, test, depth);
          row.kernel_times = by_kernel(test.generated > 0 ? timed.step_timings() : timed.chunk_timings());
          if (row.kernel_times.empty()) note("this device has no timestamps: no times per kernel");
        }
        done(std::move(row));
      }
    }
  }

  void several_sequences(std::uint32_t count, const std::vector<Test>& tests, std::uint32_t context, const Done& done) {
    require_cache(bench_.device(), config(), groups(), type_, context, count);
    Batch batch = open_batch(count, context, false);
    for (const std::uint32_t depth : options_.depths) {
      for (const Test& test : tests) {
        if (test.prompt > 0) continue;  // prompts are read one after the other: nothing new to measure
        BenchRow row = start_row(test, depth, count, batch.cache().bytes());
        row.scratch_bytes = batch.scratch_bytes();
        repeat(row, [&] { return measure_decode(batch, depth, test.generated, &interrupt_flag()); });
        if (options_.kernel_times) {
          Batch timed = open_batch(count, context, true);
          measure_decode(timed, depth, 2, &interrupt_flag());
          row.kernel_times = by_kernel(timed.step_timings());
        }
        done(std::move(row));
      }
    }
  }

 private:
  const ModelConfig& config() const { return bench_.model().config(); }
  std::vector<std::uint32_t> groups() const { return grouping_.plan().groups(); }

  Session open_session(std::uint32_t context, bool timestamps) const {
    return Session(bench_.model(), grouping_,
                   {.context = context,
                    .cache_type = type_,
                    .prefill_chunk = options_.open.prefill_chunk,
                    .timestamps = timestamps});
  }
  Batch open_batch(std::uint32_t count, std::uint32_t context, bool timestamps) const {
    return Batch(
        bench_.model(), grouping_,
        {.sequences = count, .context = context, .cache_type = type_, .prefill_chunk = 1, .timestamps = timestamps});
  }

  BenchRow start_row(const Test& test, std::uint32_t depth, std::uint32_t sequences, std::uint64_t kv_bytes) const {
    return {.prompt = test.prompt,
            .generated = test.generated,
            .depth = depth,
            .sequences = sequences,
            .kv = kv_,
            .groups = groups(),
            .kv_bytes = kv_bytes,
            .kv_bytes_per_token = kv_bytes_per_token(config(), groups(), type_)};
  }

  static Timing run(Session& session, const Test& test, std::uint32_t depth) {
    const CancelFlag* cancel = &interrupt_flag();
    Timing total;
    const auto add = [&](const Timing& timing) {
      total.seconds += timing.seconds;
      total.cpu_seconds += timing.cpu_seconds;
    };
    if (test.prompt > 0) add(measure_prefill(session, depth, test.prompt, cancel));
    if (test.generated > 0) add(measure_decode(session, depth + test.prompt, test.generated, cancel));
    return total;
  }

  template <typename Run>
  void repeat(BenchRow& row, const Run& timed) const {
    const auto once = [&] {
      return bench_.opened ? blaming_weights(bench_.opened->file, &interrupt_flag(), timed) : timed();
    };
    if (!options_.no_warmup) once();  // pipelines, caches
    for (std::uint32_t r = 0; r < options_.repetitions; ++r) row.timings.push_back(once());
    if (options_.open.device.quiet) return;
    note(fmt::format("G {} {} {}: {:.2f} t/s", groups_text(row.groups), row.kv, row.test(),
                     summarise(row.speeds()).mean));
  }

  const BenchOptions& options_;
  const BenchModel& bench_;
  const Grouping& grouping_;
  std::string kv_;
  CacheType type_;
};

void measure(const BenchOptions& options, const BenchModel& bench, const OpenOptions& open,
             const std::vector<Test>& tests, const Bench::Done& done) {
  bool first = true;
  for (const auto& groups : bench_settings(options, bench)) {
    const auto grouping = bench_grouping(bench, open, groups);
    for (const std::string& kv : options.kv) {
      for (const std::uint32_t sequences : options.sequences) {
        if (!first && options.delay_seconds > 0) {
          std::this_thread::sleep_for(std::chrono::seconds(options.delay_seconds));
        }
        first = false;
        Bench settings(options, bench, *grouping, kv);
        if (sequences == 1) {
          settings.one_sequence(tests, open.context, done);
        } else {
          settings.several_sequences(sequences, tests, open.context, done);
        }
      }
    }
  }
}

int bench(const BenchOptions& options) {
  const std::string output = options.json ? "json" : options.output;
  if (!options.compare.empty()) {
    if (options.compare.size() != 2) throw_error(ErrorCode::kUsage, "--compare needs two files: before and after");
    return compare_benchmarks(options.compare[0], options.compare[1], output == "json");
  }
  if (!options.figure6.empty()) {
    return figure6({.open = options.open,
                    .svg = options.figure6,
                    .depths = options.depths_given ? options.depths : std::vector<std::uint32_t>{},
                    .sequences = options.sequences_given ? options.sequences : std::vector<std::uint32_t>{},
                    .steps = options.generated_given ? options.generated.front() : 0,
                    .repetitions = options.repetitions,
                    .json = output == "json"});
  }
  const std::vector<Test> tests = tests_of(options);
  const std::uint32_t deepest = *std::max_element(options.depths.begin(), options.depths.end());
  std::uint32_t longest = 0;
  for (const Test& test : tests) longest = std::max(longest, test.prompt + test.generated);
  OpenOptions open = options.open;
  open.kv = options.kv.front();
  open.context = deepest + longest + 1;
  open.compares_groups = !open.groups.groups.empty();
  open.groups.groups.clear();  // here a list of settings, measured one after the other
  BenchModel bench = open_bench_model(open);
  bench.subject.copy_bytes_per_second = copy_bandwidth(bench.device());
  bench.subject.multiply_flops_per_second = multiply_rate(bench.device(), bench.profile);

  if (options.kv.size() > 1) {
    for (const std::string& kv : options.kv) bench.needs.cache_types.push_back(cache_type_of(kv));
    selftest::require_kernels(bench.device(), bench.profile, bench.needs);
  }

  // Rows are not lost to a failure or Ctrl-C; those of jsonl are printed as they come.
  std::vector<BenchRow> rows;
  const auto done = [&](BenchRow row) {
    if (output == "jsonl") {
      print_row(bench.subject, row);
    } else {
      rows.push_back(std::move(row));
    }
  };
  std::exception_ptr failure;
  try {
    measure(options, bench, open, tests, done);
  } catch (const Error&) {
    if (rows.empty()) throw;
    failure = std::current_exception();
  }
  bench.device().save_pipeline_cache();
  if (output != "jsonl") print_rows(bench.subject, rows, output);
  if (failure) std::rethrow_exception(failure);
  return 0;
}

}  // namespace

std::function<int()> add_bench(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "bench",
      "Example:\n  regroup bench -m smollm2-135m -p 128 -n 32 --groups 3,1 -d 0,1024 --sequences 1,8\n"
      "  regroup bench -m synthetic:llama-2-7b,layers=2 -p 64 -n 16 --kernel-times\n"
      "  regroup bench --compare before.json after.json\n"
      "  regroup bench --figure6 figure6.svg\n\n"
      "Prefill (pp) and decode (tg) speed as llama-bench reports them, for each G, depth, cache type and number of "
      "sequences.\nDepths are assumed (constant keys and values), not computed: they cost no time to reach.");
  const auto options = std::make_shared<BenchOptions>();
  BenchOptions& o = *options;
  const auto list = [](CLI::Option* option) { return option->delimiter(',')->check(CLI::Range(0u, 1u << 24)); };
  command->add_option(
      "-m,--model", o.open.model,
      "GGUF file, Hugging Face directory, fetched name, or synthetic:SHAPE (default: the bundled model)");
  list(command->add_option("-p,--n-prompt", o.prompts, "prompt lengths, 0 for none (default: 512)"));
  CLI::Option* generated =
      list(command->add_option("-n,--n-gen", o.generated, "tokens to generate, 0 for none (default: 128)"));
  command->add_option("--pg", o.both, "a prompt and then tokens in one test, as in --pg 512,128 (several times)");
  CLI::Option* depths =
      list(command->add_option("-d,--n-depth", o.depths, "tokens in the cache beforehand (default: 0)"));
  CLI::Option* sequences =
      command->add_option("--sequences", o.sequences, "sequences decoded together (1,4,16); more than 1: -n only")
          ->delimiter(',')
          ->check(CLI::Range(1u, 4096u));
  command->add_option("-r,--repetitions", o.repetitions, "repetitions of each test")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  command->add_option("-b,--batch-size,--ub,--ubatch-size", o.open.prefill_chunk, "tokens of a prefill step")
      ->check(CLI::Range(1u, 8192u))
      ->capture_default_str();
  command->add_option("--delay", o.delay_seconds, "seconds to wait between settings")->check(CLI::Range(0u, 3600u));
  command->add_flag("--no-warmup", o.no_warmup, "measure the first run, too");
  command->add_option("-o,--output", o.output, "md, csv, json or jsonl")
      ->check(CLI::IsMember({"md", "csv", "json", "jsonl"}));
  command->add_option("--kv,--cache-type-k", o.kv, "types of the KV cache: f32, f16, q8_0, q4_0")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--groups", o.open.groups.groups,
                      "numbers of KV groups to measure, one after the other (8,4,1), or budget:BYTES_PER_TOKEN");
  o.open.groups.add_method_options(*command);
  command->add_flag("--kernel-times", o.kernel_times, "device time of every kernel of a step (needs timestamps)");
  command->add_option("--compare", o.compare, "two files of -o json: what changed, and whether it is noise")
      ->expected(2);
  command
      ->add_option("--figure6", o.figure6,
                   "writes the paper's Figure 6 from a synthetic model as SVG; -d, -n and --sequences choose points")
      ->check(output_file());
  command->add_flag("--json", o.json, "the same as -o json");
  o.open.device.add_options(*command);
  return [options, generated, depths, sequences] {
    options->generated_given = generated->count() > 0;
    options->depths_given = depths->count() > 0;
    options->sequences_given = sequences->count() > 0;
    return bench(*options);
  };
}

}  // namespace regroup::cli
