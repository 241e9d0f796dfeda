// The rows of `regroup bench`: what was measured, what follows from it, and the forms in which it is printed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/command.h"
#include "runtime/decode/measure.h"
#include "runtime/model/model_config.h"

namespace regroup::cli {

// What is the same for all rows.
struct BenchSubject {
  std::string file, type, name;
  std::uint64_t size_bytes = 0, parameters = 0, weights_bytes = 0;
  ModelConfig config;
  std::string device, driver, kernels;
  bool cpu_driver = false;
  std::uint32_t prefill_chunk = 0;
  double copy_bytes_per_second = 0;      // measured on this device
  double multiply_flops_per_second = 0;  // measured with this device's best product
};

// The device time of all dispatches of one kernel in one step.
struct KernelTime {
  std::string kernel;
  std::uint32_t dispatches = 0;
  double ms = 0;
};
std::vector<KernelTime> by_kernel(const std::vector<DispatchTiming>& timings);

// One line of the table: a test repeated.
struct BenchRow {
  std::uint32_t prompt = 0, generated = 0, depth = 0, sequences = 1;
  std::string kv;
  std::vector<std::uint32_t> groups;
  std::vector<Timing> timings;
  std::uint64_t kv_bytes = 0, kv_bytes_per_token = 0, scratch_bytes = 0;
  std::vector<KernelTime> kernel_times;  // empty unless asked for

  double tokens() const { return (double{1} * prompt + generated) * sequences; }
  std::vector<double> seconds() const;
  std::vector<double> speeds() const;  // tokens per second
  std::string test() const;            // "pp512", "tg128 @ d4096", "pp512+tg128", "tg128 x8"
};

// Bytes that a decoding step reads: all weights once, and the keys and values that each sequence looks at. 0 for tests
// that are not only decoding.
double bytes_per_step(const BenchSubject& subject, const BenchRow& row);
// Floating-point operations of the whole test: products and attention.
double flops(const BenchSubject& subject, const BenchRow& row);

Json row_json(const BenchSubject& subject, const BenchRow& row);
// One line of jsonl.
void print_row(const BenchSubject& subject, const BenchRow& row);
// All rows on stdout; `form`: md, csv or json.
void print_rows(const BenchSubject& subject, const std::vector<BenchRow>& rows, const std::string& form);

}  // namespace regroup::cli
