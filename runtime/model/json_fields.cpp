#include "runtime/model/json_fields.h"

#include <cmath>

#include "runtime/core/error.h"
#include "runtime/core/json_checked.h"

namespace regroup {

JsonFields::JsonFields(const nlohmann::json& json, std::string where) : json_(&json), where_(std::move(where)) {
  if (!json.is_object())
    throw_error(ErrorCode::kBadModel, "{}: expected a JSON object, found {}", where_, json.type_name());
}

void JsonFields::refuse(std::string_view key, std::string_view problem) const {
  throw_error(ErrorCode::kBadModel, "{}: '{}' {}", where_, key, problem);
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
  return JsonFields(*value, where_ + " " + std::string(key));
}

}  // namespace regroup
