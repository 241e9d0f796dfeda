// Typed reading of config.json: absent and null are the same, a wrong type is an error that names file and field.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace regroup {

class JsonFields {
 public:
  // `json` must be an object and outlive this; `where` names it in errors ("DIR/config.json", or "... rope_scaling").
  JsonFields(const nlohmann::json& json, std::string where);

  bool contains(std::string_view key) const;  // also when null
  std::optional<std::uint32_t> find_u32(std::string_view key) const;
  std::uint32_t get_u32(std::string_view key) const;
  std::optional<double> find_number(std::string_view key) const;  // finite
  double get_number(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::string> find_string(std::string_view key) const;
  std::optional<std::vector<std::string>> find_strings(std::string_view key) const;
  std::optional<std::vector<std::uint32_t>> find_u32s(std::string_view key) const;
  std::optional<JsonFields> find_object(std::string_view key) const;
  const std::string& where() const { return where_; }
  [[noreturn]] void refuse(std::string_view key, std::string_view problem) const;

 private:
  const nlohmann::json* find(std::string_view key) const;
  const nlohmann::json* json_;
  std::string where_;
};

}  // namespace regroup
