#include "runtime/tuning/timings_file.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/core/json_checked.h"
#include "runtime/file/json_cache.h"

namespace regroup::tuning {
namespace {

constexpr std::size_t kLargestFileBytes = 1u << 20;
constexpr std::size_t kMostTimings = 64;  // more shapes than anybody's models have; then the oldest go
constexpr std::size_t kMostCandidates = 16;
constexpr std::size_t kLongestName = 80;

std::string name_in(const nlohmann::json& object, const char* key) {
  auto name = object.at(key).get<std::string>();
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (name.empty() || name.size() > kLongestName || !plain) throw_error(ErrorCode::kFailed, "no name");
  return name;
}

// null, which is how JSON writes an infinite number, stands for wrong results.
double time_in(const nlohmann::json& value) {
  if (value.is_null()) return std::numeric_limits<double>::infinity();
  const auto ms = value.get<double>();
  if (!std::isfinite(ms) || ms <= 0) throw_error(ErrorCode::kFailed, "no time");
  return ms;
}

ShapeTiming timing_in(const nlohmann::json& object) {
  ShapeTiming timing{.shape = name_in(object, "shape"), .kernels = name_in(object, "kernels")};
  const nlohmann::json& speeds = object.at("speeds");
  const nlohmann::json& taken = object.at("taken");
  if (!is_whole_number(taken, 1000) || taken == 0 || !speeds.is_array() || speeds.size() < 2 ||
      speeds.size() > kMostCandidates) {
    throw_error(ErrorCode::kFailed, "no timing");
  }
  timing.taken = taken.get<std::uint32_t>();
  for (const nlohmann::json& speed : speeds) {
    timing.speeds.push_back({name_in(speed, "name"), time_in(speed.at("ms"))});
  }
  return timing;
}

bool is_of(const ShapeTiming& timing, const std::string& shape, const std::vector<std::string>& candidates) {
  return timing.shape == shape &&
         std::equal(timing.speeds.begin(), timing.speeds.end(), candidates.begin(), candidates.end(),
                    [](const CandidateSpeed& speed, const std::string& name) { return speed.name == name; });
}

}  // namespace

TimingsFile::TimingsFile(const std::filesystem::path& directory, const DeviceInfo& device)
    : path_(directory / fmt::format("tuning-{}-{}-{:x}.json", uuid_text(device.device_uuid),
                                    uuid_text(device.pipeline_cache_uuid), device.driver_version)) {
  load();
}

void TimingsFile::load() {
  const bool whole = read_json_cache(path_, kLargestFileBytes, [this](const nlohmann::json& json) {
    if (json.at("schema") != 1) return;
    for (const nlohmann::json& timing : json.at("timings")) {
      if (timings_.size() < kMostTimings) timings_.push_back(timing_in(timing));
    }
  });
  if (!whole) timings_.clear();
}

const ShapeTiming* TimingsFile::find(const std::string& shape, const std::string& kernels,
                                     const std::vector<std::string>& candidates) const {
  const auto found = std::find_if(timings_.begin(), timings_.end(), [&](const ShapeTiming& timing) {
    return timing.kernels == kernels && is_of(timing, shape, candidates);
  });
  return found == timings_.end() ? nullptr : &*found;
}

void TimingsFile::put(ShapeTiming timing) {
  std::vector<std::string> candidates;
  for (const CandidateSpeed& speed : timing.speeds) candidates.push_back(speed.name);
  // Those of other kernels, which an update of this program left behind, go too.
  std::erase_if(timings_, [&](const ShapeTiming& other) { return is_of(other, timing.shape, candidates); });
  if (timings_.size() >= kMostTimings) timings_.erase(timings_.begin());
  timings_.push_back(std::move(timing));
}

void TimingsFile::save() const {
  nlohmann::ordered_json timings = nlohmann::ordered_json::array();
  for (const ShapeTiming& timing : timings_) {
    nlohmann::ordered_json speeds = nlohmann::ordered_json::array();
    for (const CandidateSpeed& speed : timing.speeds) speeds.push_back({{"name", speed.name}, {"ms", speed.ms}});
    timings.push_back(
        {{"shape", timing.shape}, {"kernels", timing.kernels}, {"taken", timing.taken}, {"speeds", std::move(speeds)}});
  }
  write_json_cache(path_, nlohmann::ordered_json{{"schema", 1}, {"timings", std::move(timings)}}.dump(1));
}

}  // namespace regroup::tuning
