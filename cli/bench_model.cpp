#include "cli/bench_model.h"

#include "runtime/core/error.h"

namespace regroup::cli {

void replace_synthetic(BenchModel& bench, const SyntheticShape& shape) {
  bench.synthetic.reset();
  const std::uint64_t bytes = synthetic_weight_bytes(shape, bench.profile);
  if (bytes > bench.device().free_memory_bytes()) {
    throw_error(ErrorCode::kOutOfMemory, "{}: weights of {} do not fit, {} are free; use fewer layers", shape.name,
                human_bytes(bytes), human_bytes(bench.device().free_memory_bytes()));
  }
  bench.synthetic = make_synthetic_model(bench.device(), bench.profile, shape);
  BenchSubject& subject = bench.subject;
  subject.file = subject.name = shape.name;
  subject.type = fmt::format("{} {}", bench.synthetic->config().architecture, format_info(shape.format).name);
  subject.config = bench.synthetic->config();
  subject.parameters = bench.synthetic->parameter_count();
  subject.size_bytes = subject.weights_bytes = bench.synthetic->weights_bytes();
}

BenchModel open_bench_model(const OpenOptions& options) {
  BenchModel bench;
  if (is_synthetic(options.model)) {
    const SyntheticShape shape = parse_synthetic(options.model);
    bench.instance = std::make_unique<Instance>();
    bench.own_device = options.device.open(*bench.instance);
    // Gates, up and down projections are most of what such models read.
    bench.needs = {.formats = {shape.format}, .cache_types = {options.cache_type()}};
    bench.profile = options.device.profile(*bench.own_device,
                                           tuning::Shape{shape.format, shape.feed_forward, shape.hidden}, bench.needs);
    replace_synthetic(bench, shape);
  } else {
    bench.opened.emplace(open_model(options));
    bench.needs = kernel_needs(bench.opened->file, options);
    bench.profile = bench.opened->profile;
    const ModelOutline& outline = bench.opened->outline;
    bench.subject.file = bench.opened->file.path().string();
    bench.subject.type = outline.config.architecture;
    bench.subject.name = outline.config.name;
    bench.subject.size_bytes = outline.file_bytes;
    bench.subject.parameters = outline.parameters;
    bench.subject.config = outline.config;
    bench.subject.weights_bytes = bench.opened->model->weights_bytes();
  }
  const DeviceInfo& info = bench.device().info();
  bench.subject.device = info.name;
  bench.subject.driver = info.driver;
  bench.subject.kernels = bench.profile.variant_name();
  bench.subject.cpu_driver = info.type == DeviceType::kCpu;
  bench.subject.prefill_chunk = options.prefill_chunk;
  return bench;
}

}  // namespace regroup::cli
