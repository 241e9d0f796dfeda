#include "runtime/tuning/tuned_families.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "runtime/core/error.h"
#include "runtime/formats/panel_layout.h"
#include "runtime/gpu/shader_table.h"
#include "runtime/ops/linear.h"
#include "runtime/tuning/timings_file.h"

namespace regroup::tuning {
namespace {

constexpr std::uint32_t kDecodeLanes[] = {32, 64, 128};

bool of_device_class(const Device& device, const KernelProfile& family) {
  return (family.shape == ProductShape::kRowPerLane) == (device.info().type == DeviceType::kCpu);
}

// The table's choice first. Rows too short for more invocations make variants the same.
std::vector<KernelProfile> candidates_of(const Device& device, const std::vector<KernelProfile>& families,
                                         const Shape& shape) {
  std::vector<KernelProfile> candidates;
  for (const KernelProfile& family : families) {
    if (!of_device_class(device, family)) continue;
    candidates.push_back(family);
    if (family.shape != ProductShape::kColumnsPerLane) continue;
    const std::uint32_t blocks = PanelLayout{shape.format, 1, shape.columns, 1}.blocks();
    for (const std::uint32_t lanes : kDecodeLanes) {
      KernelProfile variant = family;
      variant.decode_lanes = lanes;
      if (decode_workgroup(variant, blocks) != decode_workgroup(family, blocks)) candidates.push_back(variant);
    }
  }
  return candidates;
}

// FNV-1a over the SPIR-V of all kernels that may be timed for this format.
std::string fingerprint(WeightFormat format) {
  const std::string ending = fmt::format("_{}", format_info(format).name);
  std::uint64_t hash = 14695981039346656037ull;
  for (const ShaderEntry& shader : shader_table()) {
    if (!shader.name.starts_with("linear_decode_") || !shader.name.ends_with(ending)) continue;
    for (const std::uint32_t word : shader.words) hash = (hash ^ word) * 1099511628211ull;
  }
  return fmt::format("{:016x}", hash);
}

// Times the candidates and keeps what was found, with what was found before.
ShapeTiming taken_again(Device& device, TimingsFile& file, ShapeTiming timing,
                        const std::vector<KernelProfile>& candidates, const Shape& shape) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  const std::vector<std::optional<double>> times = product_times(device, candidates, shape);
  for (std::size_t i = 0; i < times.size(); ++i) {
    const double now = times[i].value_or(kNever);
    double& ms = timing.speeds[i].ms;
    if (timing.taken == 0 || now == kNever) {
      ms = now;
    } else if (ms != kNever) {  // what was wrong once is wrong
      ms = std::min(ms, now);
    }
  }
  ++timing.taken;
  // Wrong results are a finding, and kept; an error of the driver's may be gone at the next start, which tries again.
  if (std::all_of(times.begin(), times.end(), [](const auto& ms) { return ms.has_value(); })) {
    file.put(timing);
    file.save();
  }
  return timing;
}

}  // namespace

std::optional<Shape> shape_of(const ModelFile& file) {
  std::map<std::tuple<WeightFormat, std::uint64_t, std::uint64_t>, std::uint64_t> bytes;
  for (const FileTensor& tensor : file.tensors()) {
    if (tensor.shape.size() == 2) bytes[{tensor.format, tensor.rows(), tensor.columns()}] += tensor.bytes.size();
  }
  const auto most =
      std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == bytes.end()) return std::nullopt;
  const auto& [format, rows, columns] = most->first;
  // A product that no model has. Bounds of runtime/ops/linear.cpp.
  if (rows == 0 || rows > (1u << 30) || columns == 0 || columns > 4 * 65536) return std::nullopt;
  return Shape{format, static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(columns)};
}

std::vector<KernelProfile> tuned_families(Device& device, const std::optional<Shape>& shape) {
  const std::vector<KernelProfile> families = kernel_profiles(device);
  if (!shape || device.cache_directory().empty()) return families;
  const std::vector<KernelProfile> candidates = candidates_of(device, families, *shape);
  if (candidates.size() < 2) return families;

  ShapeTiming timing{.shape = shape->class_name(), .kernels = fingerprint(shape->format)};
  std::vector<std::string> names;
  for (const KernelProfile& candidate : candidates) {
    names.push_back(candidate.variant_name());
    timing.speeds.push_back({names.back()});
  }
  TimingsFile file(device.cache_directory(), device.info());
  if (const ShapeTiming* kept = file.find(timing.shape, timing.kernels, names)) timing = *kept;
  if ((timing.taken == 0 || !timing.settled()) && device.spoiled_kernels().empty()) {
    try {
      timing = taken_again(device, file, std::move(timing), candidates, *shape);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kDeviceLost) throw;
      return families;  // no memory for it
    }
  }
  if (timing.taken == 0) return families;

  // Of a family's variants the best one, and the table's own should the self-test refuse that.
  std::vector<KernelProfile> order;
  for (const std::size_t i : order_of(timing.speeds)) {
    const KernelProfile& candidate = candidates[i];
    const bool is_best = std::none_of(order.begin(), order.end(),
                                      [&](const KernelProfile& better) { return better.name == candidate.name; });
    if (is_best || candidate.variant_name() == candidate.name) order.push_back(candidate);
  }
  for (const KernelProfile& family : families) {
    if (!of_device_class(device, family)) order.push_back(family);
  }
  return order;
}

}  // namespace regroup::tuning
