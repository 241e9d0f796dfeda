#include "cli/bench_rows.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "runtime/core/error.h"
#include "runtime/decode/memory_plan.h"

namespace regroup::cli {
namespace {

// Positions that one token sees on average, by layer: those of its window where there is one.
double seen(const BenchRow& row, const LayerConfig& layer) {
  const double mean = row.depth + (row.prompt + row.generated) / 2.0;
  return layer.window == 0 ? mean : std::min(mean, double{1} * layer.window);
}

double share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

double steps_per_second(const BenchRow& row) {
  const double seconds = summarise(row.seconds()).mean;
  return share(row.generated, seconds);
}

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

void print_table(const BenchSubject& subject, const std::vector<BenchRow>& rows) {
  const std::string model = subject.name.empty() ? subject.type : subject.name;
  std::printf(
      "| model | size | params | backend | G | KV type | KV/token | KV cache | scratch | test | t/s | GB/s | of copy "
      "| GFLOP/s | of product |\n");
  std::printf(
      "| --- | ---: | ---: | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
  for (const BenchRow& row : rows) {
    const Summary speed = summarise(row.speeds());
    const double bytes = bytes_per_step(subject, row) * steps_per_second(row);
    const double operations = flops(subject, row) / summarise(row.seconds()).mean;
    const std::string bandwidth =
        bytes > 0 ? fmt::format("{:.2f} | {:.0f} %", bytes / 1e9, 100 * share(bytes, subject.copy_bytes_per_second))
                  : std::string("- | -");
    std::printf("| %s | %s | %.2f M | Vulkan | %s | %s | %llu B | %s | %s | %s | %.2f ± %.2f | %s | %.2f | %.0f %% |\n",
                model.c_str(), human_bytes(subject.size_bytes).c_str(), static_cast<double>(subject.parameters) / 1e6,
                groups_text(row.groups).c_str(), row.kv.c_str(),
                static_cast<unsigned long long>(row.kv_bytes_per_token), human_bytes(row.kv_bytes).c_str(),
                human_bytes(row.scratch_bytes).c_str(), row.test().c_str(), speed.mean, speed.deviation,
                bandwidth.c_str(), operations / 1e9, 100 * share(operations, subject.multiply_flops_per_second));
  }
  for (const BenchRow& row : rows) {
    if (row.kernel_times.empty()) continue;
    double total = 0;
    for (const KernelTime& time : row.kernel_times) total += time.ms;
    std::printf("\n| G %s, %s: kernel | dispatches | ms | share |\n| --- | ---: | ---: | ---: |\n",
                groups_text(row.groups).c_str(), row.test().c_str());
    for (const KernelTime& time : row.kernel_times) {
      std::printf("| %s | %u | %.3f | %.1f %% |\n", time.kernel.c_str(), time.dispatches, time.ms,
                  100 * share(time.ms, total));
    }
  }
  std::printf("\n%s, %s, kernels %s; weights %s on the device; measured here: copy %.1f GB/s, product %.1f GFLOP/s\n",
              subject.device.c_str(), subject.driver.c_str(), subject.kernels.c_str(),
              human_bytes(subject.weights_bytes).c_str(), subject.copy_bytes_per_second / 1e9,
              subject.multiply_flops_per_second / 1e9);
}

std::string csv_cell(const std::string& key, const Json& row) {
  if (key == "groups") {
    return fmt::format("\"{}\"", groups_text(row[key].get<std::vector<std::uint32_t>>()));
  }
  if (!row[key].is_string()) return row[key].dump();
  std::string quoted = "\"";
  for (const char c : row[key].get<std::string>()) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

void print_csv(const Json& rows) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : rows.front().items()) {
    if (key == "groups" || !value.is_array()) keys.push_back(key);
  }
  std::printf("%s\n", fmt::format("{}", fmt::join(keys, ",")).c_str());
  for (const Json& row : rows) {
    std::vector<std::string> cells;
    for (const std::string& key : keys) cells.push_back(csv_cell(key, row));
    std::printf("%s\n", fmt::format("{}", fmt::join(cells, ",")).c_str());
  }
}

}  // namespace

std::vector<KernelTime> by_kernel(const std::vector<DispatchTiming>& timings) {
  std::vector<KernelTime> kernels;
  for (const DispatchTiming& timing : timings) {
    auto found = std::find_if(kernels.begin(), kernels.end(),
                              [&](const KernelTime& kernel) { return kernel.kernel == timing.label; });
    if (found == kernels.end()) found = kernels.insert(kernels.end(), {timing.label, 0, 0});
    ++found->dispatches;
    found->ms += timing.ms;
  }
  std::stable_sort(kernels.begin(), kernels.end(),
                   [](const KernelTime& a, const KernelTime& b) { return a.ms > b.ms; });
  return kernels;
}

std::vector<double> BenchRow::seconds() const {
  std::vector<double> out;
  for (const Timing& timing : timings) out.push_back(timing.seconds);
  return out;
}

std::vector<double> BenchRow::speeds() const {
  std::vector<double> out;
  for (const Timing& timing : timings) out.push_back(tokens() / timing.seconds);
  return out;
}

std::string BenchRow::test() const {
  std::string name;
  if (prompt > 0) name = fmt::format("pp{}", prompt);
  if (generated > 0) name += fmt::format("{}tg{}", prompt > 0 ? "+" : "", generated);
  if (sequences > 1) name += fmt::format(" x{}", sequences);
  if (depth > 0) name += fmt::format(" @ d{}", depth);
  return name;
}

double bytes_per_step(const BenchSubject& subject, const BenchRow& row) {
  if (row.prompt > 0 || row.generated == 0) return 0;
  double groups = 0, touched = 0;
  for (std::size_t l = 0; l < row.groups.size(); ++l) {
    groups += row.groups[l];
    touched += row.groups[l] * seen(row, subject.config.layers[l]);
  }
  const double per_group = static_cast<double>(row.kv_bytes_per_token) / groups;
  return static_cast<double>(subject.weights_bytes) + row.sequences * per_group * touched;
}

double flops(const BenchSubject& subject, const BenchRow& row) {
  const ModelConfig& config = subject.config;
  const double hidden = config.hidden, queries = config.query_columns();
  double per_token = 0;
  for (std::size_t l = 0; l < row.groups.size(); ++l) {
    const double keys = double{1} * row.groups[l] * config.head_dim;
    per_token += 2 * hidden * (2 * queries + 2 * keys + 3.0 * config.feed_forward);
    per_token += 4 * queries * seen(row, config.layers[l]);
  }
  // A prompt needs the logits of its last token only.
  const double heads = row.sequences * (row.generated + (row.prompt > 0 ? 1.0 : 0.0));
  return row.tokens() * per_token + heads * 2 * hidden * config.vocabulary;
}

Json row_json(const BenchSubject& subject, const BenchRow& row) {
  std::vector<double> ns, cpu_ns;
  for (const Timing& timing : row.timings) {
    ns.push_back(timing.seconds * 1e9);
    cpu_ns.push_back(timing.cpu_seconds * 1e9);
  }
  const std::vector<double> speeds = row.speeds();
  const Summary speed = summarise(speeds), time = summarise(ns);
  const double bytes = bytes_per_step(subject, row) * steps_per_second(row);
  const double operations = flops(subject, row) / (time.mean * 1e-9);
  Json json = {{"model_filename", subject.file},
               {"model_type", subject.type},
               {"model_size", subject.size_bytes},
               {"model_n_params", subject.parameters},
               {"backends", "Vulkan"},
               {"gpu_info", subject.device},
               {"driver", subject.driver},
               {"kernels", subject.kernels},
               {"type_k", row.kv},
               {"type_v", row.kv},
               {"n_batch", subject.prefill_chunk},
               {"n_ubatch", subject.prefill_chunk},
               {"n_prompt", row.prompt},
               {"n_gen", row.generated},
               {"n_depth", row.depth},
               {"n_sequences", row.sequences},
               {"groups", row.groups},
               {"test_time", now_utc()},
               {"avg_ns", time.mean},
               {"stddev_ns", time.deviation},
               {"avg_ts", speed.mean},
               {"stddev_ts", speed.deviation},
               {"samples_ns", ns},
               {"samples_ts", speeds},
               {"avg_process_cpu_ns", summarise(cpu_ns).mean},
               {"kv_bytes", row.kv_bytes},
               {"kv_bytes_per_token", row.kv_bytes_per_token},
               {"weights_bytes", subject.weights_bytes},
               {"scratch_bytes", row.scratch_bytes},
               {"gigabytes_per_second", bytes / 1e9},
               {"copy_gigabytes_per_second", subject.copy_bytes_per_second / 1e9},
               {"bandwidth_fraction", share(bytes, subject.copy_bytes_per_second)},
               {"gigaflops", operations / 1e9},
               {"product_gigaflops", subject.multiply_flops_per_second / 1e9},
               {"product_fraction", share(operations, subject.multiply_flops_per_second)}};
  if (!row.kernel_times.empty()) {
    Json kernels = Json::array();
    for (const KernelTime& kernel : row.kernel_times) {
      kernels.push_back({{"kernel", kernel.kernel}, {"dispatches", kernel.dispatches}, {"ms", kernel.ms}});
    }
    json["kernel_times"] = std::move(kernels);
  }
  return json;
}

void print_row(const BenchSubject& subject, const BenchRow& row) {
  std::printf("%s\n", row_json(subject, row).dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

void print_rows(const BenchSubject& subject, const std::vector<BenchRow>& rows, const std::string& form) {
  if (form == "md") {
    print_table(subject, rows);
    return;
  }
  Json list = Json::array();
  for (const BenchRow& row : rows) list.push_back(row_json(subject, row));
  if (form == "json") {
    print_json({{"rows", list}});
  } else if (!list.empty()) {
    print_csv(list);
  }
}

}  // namespace regroup::cli
