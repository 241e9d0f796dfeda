#include "runtime/model/json_fields.h"

#include <cmath>

#include "runtime/core/error.h"
#include "runtime/core/json_checked.h"
#include "runtime/file/bad_file.h"

namespace regroup {

JsonFields::JsonFields(const nlohmann::json& json, std::string file, std::string inside)
    : json_(&json), file_(std::move(file)), inside_(std::move(inside)) {
  if (!json.is_object()) bad_file(file_, "expected a JSON object, found {}", json.type_name());
}

JsonFields JsonFields::config_of(const ModelFile& file) {
  return {file.config(), (file.path() / "config.json").string()};
}

std::string JsonFields::shown(std::string_view key) const {
  return fmt::format("{}'{}'", inside_, key);
}

void JsonFields::refuse(std::string_view key, std::string_view problem) const {
  bad_file(file_, "{} {}", shown(key), problem);
}

void JsonFields::refuse_null(std::string_view key) const {
  const auto found = json_->find(key);
  if (found != json_->end() && found->is_null()) refuse(key, "is null, expected a value");
}

const nlohmann::json* JsonFields::find(std::string_view key) const {
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

bool JsonFields::contains(std::string_view key) const {
  return json_->contains(key);
}

std::optional<std::uint32_t> JsonFields::find_u32(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!is_whole_number(*value, UINT32_MAX)) refuse(key, "is not a whole number from 0 to 4294967295");
  return value->get<std::uint32_t>();
}

std::uint32_t JsonFields::get_u32(std::string_view key) const {
  const auto value = find_u32(key);
  if (!value) refuse(key, "is missing");
  return *value;
}

std::optional<double> JsonFields::find_number(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || !std::isfinite(value->get<double>())) refuse(key, "is not a finite number");
  return value->get<double>();
}

std::optional<float> JsonFields::find_f32(std::string_view key) const {
  const auto value = find_number(key);
  if (!value) return std::nullopt;
  const auto narrowed = static_cast<float>(*value);
  if (!std::isfinite(narrowed)) refuse(key, fmt::format("is {}, expected a finite 32-bit float", *value));
  return narrowed;
}

double JsonFields::get_number(std::string_view key) const {
  const auto value = find_number(key);
  if (!value) refuse(key, "is missing");
  return *value;
}

std::optional<bool> JsonFields::find_bool(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) refuse(key, "is not true or false");
  return value->get<bool>();
}

std::optional<std::string> JsonFields::find_string(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse(key, "is not a string");
  return value->get<std::string>();
}

std::optional<std::vector<std::string>> JsonFields::find_strings(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) refuse(key, "is not a list");
  std::vector<std::string> out;
  for (const nlohmann::json& item : *value) {
    if (!item.is_string()) refuse(key, "holds something else than strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::optional<std::vector<std::uint32_t>> JsonFields::find_u32s(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) refuse(key, "is not a list");
  std::vector<std::uint32_t> out;
  for (const nlohmann::json& item : *value) {
    if (!is_whole_number(item, UINT32_MAX)) refuse(key, "holds something else than whole numbers from 0 to 4294967295");
    out.push_back(item.get<std::uint32_t>());
  }
  return out;
}

std::optional<JsonFields> JsonFields::find_object(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) refuse(key, "is not an object");
  return JsonFields(*value, file_, fmt::format("{}{} ", inside_, key));
}

std::uint32_t JsonFields::u32_or(std::string_view key, std::uint32_t otherwise) const {
  refuse_null(key);
  return find_u32(key).value_or(otherwise);
}

double JsonFields::number_or(std::string_view key, double otherwise) const {
  refuse_null(key);
  return find_number(key).value_or(otherwise);
}

float JsonFields::f32_or(std::string_view key, float otherwise) const {
  refuse_null(key);
  return find_f32(key).value_or(otherwise);
}

std::string JsonFields::string_or(std::string_view key, std::string_view otherwise) const {
  refuse_null(key);
  return find_string(key).value_or(std::string(otherwise));
}

}  // namespace regroup
