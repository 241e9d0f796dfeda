#include "converter/state_folder.h"

#include <fstream>
#include <new>
#include <sstream>
#include <system_error>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/core/json_checked.h"
#include "runtime/file/mapped_file.h"
#include "runtime/file/replace_file.h"
#include "runtime/file/safetensors_reader.h"
#include "runtime/file/safetensors_writer.h"

namespace regroup {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kKeyFile = "key.json";
constexpr const char* kTextFile = "calibration.json";
constexpr const char* kPlanFile = "budget.json";

struct NamedMatrix {
  const char* name;
  WeightRows AttentionLayer::*matrix;
};
constexpr NamedMatrix kMatrices[] = {{"query", &AttentionLayer::query},
                                     {"key", &AttentionLayer::key},
                                     {"value", &AttentionLayer::value},
                                     {"output", &AttentionLayer::output}};

struct NamedVector {
  const char* name;
  Eigen::VectorXf AttentionLayer::*vector;
};
constexpr NamedVector kVectors[] = {{"query_bias", &AttentionLayer::query_bias},
                                    {"key_bias", &AttentionLayer::key_bias},
                                    {"value_bias", &AttentionLayer::value_bias}};

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Json facts_of(const MergedLayer& layer) {
  const AttentionLayer& a = layer.attention;
  return {{"layer", layer.layer},         {"groups", layer.groups.groups},
          {"method", layer.method},       {"error", layer.error ? Json(*layer.error) : Json(nullptr)},
          {"hidden", a.hidden},           {"query_heads", a.query_heads},
          {"kv_heads", a.kv_heads},       {"head_dim", a.head_dim},
          {"rotary_dims", a.rotary_dims}, {"scale", a.scale},
          {"qk_norm", a.qk_norm}};
}

}  // namespace

void write_layer_file(const fs::path& path, const MergedLayer& layer) {
  std::vector<TensorPlan> plans;
  const auto count = [](Eigen::Index n) { return static_cast<std::uint64_t>(n); };
  for (const auto& [name, member] : kMatrices) {
    const WeightRows& matrix = layer.attention.*member;
    if (matrix.size() > 0) plans.push_back({name, WeightFormat::kF32, {count(matrix.rows()), count(matrix.cols())}});
  }
  for (const auto& [name, member] : kVectors) {
    const Eigen::VectorXf& vector = layer.attention.*member;
    if (vector.size() > 0) plans.push_back({name, WeightFormat::kF32, {count(vector.size())}});
  }
  SafetensorsWriter writer(path, {{"layer", facts_of(layer).dump()}}, plans, Overwrite::kYes);
  const auto write = [&](const char* name, const float* values, Eigen::Index n) {
    if (n > 0) writer.write(name, std::as_bytes(std::span(values, static_cast<std::size_t>(n))));
  };
  for (const auto& [name, member] : kMatrices) {
    write(name, (layer.attention.*member).data(), (layer.attention.*member).size());
  }
  for (const auto& [name, member] : kVectors) {
    write(name, (layer.attention.*member).data(), (layer.attention.*member).size());
  }
  writer.finish();
}

MergedLayer read_layer_file(const fs::path& path) {
  const MappedFile file = MappedFile::open(path);
  const SafetensorsContents contents = parse_safetensors(file.bytes(), path.string());
  const auto text = contents.metadata.find("layer");
  if (text == contents.metadata.end()) throw_error(ErrorCode::kBadModel, "{}: not a finished layer", path.string());
  MergedLayer out;
  try {
    const Json facts = parse_json_checked(text->second, path.string());
    facts.at("layer").get_to(out.layer);
    facts.at("groups").get_to(out.groups.groups);
    facts.at("method").get_to(out.method);
    if (!facts.at("error").is_null()) out.error = facts.at("error").get<double>();
    AttentionLayer& a = out.attention;
    facts.at("hidden").get_to(a.hidden);
    facts.at("query_heads").get_to(a.query_heads);
    facts.at("kv_heads").get_to(a.kv_heads);
    facts.at("head_dim").get_to(a.head_dim);
    facts.at("rotary_dims").get_to(a.rotary_dims);
    facts.at("scale").get_to(a.scale);
    facts.at("qk_norm").get_to(a.qk_norm);
  } catch (const Json::exception& problem) {
    throw_error(ErrorCode::kBadModel, "{}: not a finished layer: {}", path.string(), escaped(problem.what()));
  }
  for (const FileTensor& tensor : contents.tensors) {
    const auto rows = static_cast<Eigen::Index>(tensor.rows()), columns = static_cast<Eigen::Index>(tensor.columns());
    if (tensor.format != WeightFormat::kF32) throw_error(ErrorCode::kBadModel, "{}: not floats", path.string());
    for (const auto& [name, member] : kMatrices) {
      if (tensor.name != name) continue;
      (out.attention.*member).resize(rows, columns);
      std::copy_n(tensor.bytes.data(), tensor.bytes.size(),
                  reinterpret_cast<std::byte*>((out.attention.*member).data()));
    }
    for (const auto& [name, member] : kVectors) {
      if (tensor.name != name) continue;
      (out.attention.*member).resize(columns);
      std::copy_n(tensor.bytes.data(), tensor.bytes.size(),
                  reinterpret_cast<std::byte*>((out.attention.*member).data()));
    }
  }
  return out;
}

StateFolder::StateFolder(fs::path path, std::string key) : path_(std::move(path)) {
  std::error_code error;
  if (fs::exists(path_, error)) {
    if (!fs::exists(path_ / kKeyFile, error)) {
      if (!fs::is_directory(path_, error) || !fs::is_empty(path_, error)) {
        throw_error(ErrorCode::kUsage, "'{}' stands where the conversion keeps what it has finished; move it away",
                    escaped(path_.string()));
      }
    } else if (read_text(path_ / kKeyFile) == key) {
      return;
    }
    fs::remove_all(path_, error);
  }
  fs::create_directory(path_, error);
  if (error) {
    throw_error(ErrorCode::kFailed, "cannot make the folder '{}': {}", escaped(path_.string()), error.message());
  }
  replace_file(path_ / kKeyFile, key);
}

std::uint64_t StateFolder::bytes(const fs::path& path) {
  std::uint64_t sum = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code unreadable;
    const std::uintmax_t size = entry->is_regular_file(unreadable) ? entry->file_size(unreadable) : 0;
    if (!unreadable) sum += size;
  }
  return sum;
}

fs::path StateFolder::layer_path(std::uint32_t layer) const {
  return path_ / fmt::format("layer-{:04}.safetensors", layer);
}

bool StateFolder::has_layer(std::uint32_t layer) const {
  std::error_code unused;
  return fs::exists(layer_path(layer), unused);
}

std::optional<MergedLayer> StateFolder::load_layer(std::uint32_t layer) const {
  if (!has_layer(layer)) return std::nullopt;
  try {
    MergedLayer found = read_layer_file(layer_path(layer));
    if (found.layer == layer) return found;
  } catch (const Error& problem) {
    if (problem.code() != ErrorCode::kBadModel) throw;
  }
  // A file system that lost its end: the layer is made again, in place of what cannot be used.
  std::error_code unused;
  fs::remove(layer_path(layer), unused);
  return std::nullopt;
}

void StateFolder::save_layer(const MergedLayer& layer) const {
  write_layer_file(layer_path(layer.layer), layer);
}

std::optional<CalibrationText> StateFolder::load_text() const {
  std::error_code unused;
  if (!fs::exists(path_ / kTextFile, unused)) return std::nullopt;
  const Json json = Json::parse(read_text(path_ / kTextFile), nullptr, false);
  CalibrationText text;
  try {
    json.at("tokens").get_to(text.tokens);
    json.at("sequences").get_to(text.sequences);
    json.at("sequence_length").get_to(text.sequence_length);
    json.at("held_out").get_to(text.held_out);
  } catch (const Json::exception&) {  // damaged: made again
    return std::nullopt;
  }
  if (text.tokens.size() != std::size_t{text.sequences} * text.sequence_length) return std::nullopt;
  return text;
}

CalibrationText StateFolder::text(const std::function<CalibrationText()>& make) const {
  if (auto kept = load_text()) return std::move(*kept);
  CalibrationText text = make();
  replace_file(path_ / kTextFile, Json{{"tokens", text.tokens},
                                       {"sequences", text.sequences},
                                       {"sequence_length", text.sequence_length},
                                       {"held_out", text.held_out}}
                                      .dump());
  return text;
}

std::optional<BudgetPlan> StateFolder::load_plan() const {
  std::error_code unused;
  if (!fs::exists(path_ / kPlanFile, unused)) return std::nullopt;
  const Json json = Json::parse(read_text(path_ / kPlanFile), nullptr, false);
  BudgetPlan plan;
  try {
    json.at("groups").get_to(plan.groups);
    json.at("bytes_per_token").get_to(plan.bytes_per_token);
    json.at("damage").get_to(plan.damage);
  } catch (const Json::exception&) {  // damaged: made again
    return std::nullopt;
  }
  return plan;
}

void StateFolder::save_plan(const BudgetPlan& plan) const {
  replace_file(
      path_ / kPlanFile,
      Json{{"groups", plan.groups}, {"bytes_per_token", plan.bytes_per_token}, {"damage", plan.damage}}.dump());
}

void StateFolder::discard() noexcept {
  try {
    std::error_code unused;
    fs::remove_all(path_, unused);
  } catch (const std::bad_alloc&) {
    return;
  }
}

}  // namespace regroup
