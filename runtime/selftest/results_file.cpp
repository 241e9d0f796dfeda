#include "runtime/selftest/results_file.h"

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/file/json_cache.h"
#include "runtime/gpu/shader_table.h"

namespace regroup::selftest {
namespace {

// Raised when a check's inputs or tolerances change.
constexpr int kChecksVersion = 1;
constexpr std::size_t kLargestFileBytes = 8u << 20;

std::string key_of(const KernelProfile& family, const Check& check, const std::string& variant,
                   std::uint32_t subgroup_size) {
  return fmt::format("{}/{}/{}{}", family.variant_name(), subgroup_size, check.name, variant);
}

}  // namespace

ResultsFile::ResultsFile(const Device& device) : subgroup_size_(device.features().subgroup_size) {
  if (device.cache_directory().empty() || !device.spoiled_kernels().empty()) return;
  const DeviceInfo& info = device.info();
  path_ = device.cache_directory() / fmt::format("selftest-{}-{}-{:x}.json", uuid_text(info.device_uuid),
                                                 uuid_text(info.driver_uuid), info.driver_version);
  load();
}

// FNV-1a over the words of all kernels, in the order of their names.
std::string ResultsFile::hash_of(const CheckResult& result) {
  std::uint64_t hash = 14695981039346656037ull + kChecksVersion;
  for (const auto& [name, verdict] : result.kernels) {
    const ShaderEntry* shader = find_shader(name);
    if (shader == nullptr) return {};
    for (const std::uint32_t word : shader->words) hash = (hash ^ word) * 1099511628211ull;
  }
  return fmt::format("{:016x}", hash);
}

void ResultsFile::load() {
  const bool whole = read_json_cache(path_, kLargestFileBytes, [this](const nlohmann::json& json) {
    for (const auto& [key, value] : json.at("results").items()) {
      Entry entry{.result = {}, .hash = value.at("hash").get<std::string>()};
      entry.result.problem = value.at("problem").get<std::string>();
      for (const auto& [name, verdict] : value.at("kernels").items()) {
        entry.result.kernels[name] = {verdict.at("passed").get<bool>(), verdict.at("max_error").get<double>()};
      }
      entries_[key] = std::move(entry);
    }
  });
  if (!whole) entries_.clear();
}

std::optional<CheckResult> ResultsFile::find(const KernelProfile& family, const Check& check,
                                             const std::string& variant) const {
  const auto found = entries_.find(key_of(family, check, variant, subgroup_size_));
  if (found == entries_.end() || found->second.hash != hash_of(found->second.result)) return std::nullopt;
  // A kernel that the driver refused may be one that it had no memory for at that time.
  if (!found->second.result.problem.empty()) return std::nullopt;
  return found->second.result;
}

void ResultsFile::put(const KernelProfile& family, const Check& check, const CheckResult& result,
                      const std::string& variant) {
  entries_[key_of(family, check, variant, subgroup_size_)] = {result, hash_of(result)};
  changed_ = true;
}

void ResultsFile::save() const {
  if (path_.empty() || !changed_) return;
  nlohmann::ordered_json results = nlohmann::ordered_json::object();
  for (const auto& [key, entry] : entries_) {
    nlohmann::ordered_json kernels = nlohmann::ordered_json::object();
    for (const auto& [name, verdict] : entry.result.kernels) {
      kernels[name] = {{"passed", verdict.passed}, {"max_error", verdict.max_error}};
    }
    results[key] = {{"hash", entry.hash}, {"problem", entry.result.problem}, {"kernels", std::move(kernels)}};
  }
  write_json_cache(path_, nlohmann::ordered_json{{"schema", 1}, {"results", std::move(results)}}.dump(
                              -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace regroup::selftest
