// Typed reading of config.json: a wrong type is an error that names file and field. For find_*, absent and null are the
// same.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/json.h"
#include "runtime/file/model_file.h"

namespace regroup {

class JsonFields {
 public:
  // `json` must be an object and outlive this; `file` is named in errors ("DIR/config.json").
  JsonFields(const nlohmann::json& json, std::string file) : JsonFields(json, std::move(file), {}) {}
  // Those of config.json, of a Hugging Face directory.
  static JsonFields config_of(const ModelFile& file);

  bool contains(std::string_view key) const;  // also when null
  std::optional<std::uint32_t> find_u32(std::string_view key) const;
  std::uint32_t get_u32(std::string_view key) const;
  std::optional<double> find_number(std::string_view key) const;  // finite
  std::optional<float> find_f32(std::string_view key) const;      // also once rounded to float
  double get_number(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::string> find_string(std::string_view key) const;
  std::optional<std::vector<std::string>> find_strings(std::string_view key) const;
  std::optional<std::vector<std::uint32_t>> find_u32s(std::string_view key) const;
  std::optional<JsonFields> find_object(std::string_view key) const;
  // Where the field is absent: `otherwise`. null is refused: transformers does not take it for its default.
  std::uint32_t u32_or(std::string_view key, std::uint32_t otherwise) const;
  double number_or(std::string_view key, double otherwise) const;
  float f32_or(std::string_view key, float otherwise) const;
  std::string string_or(std::string_view key, std::string_view otherwise) const;

  const std::string& file() const { return file_; }
  // How refusals call a field: "'rope_theta'", "rope_scaling 'factor'".
  std::string shown(std::string_view key) const;
  [[noreturn]] void refuse(std::string_view key, std::string_view problem) const;

 private:
  JsonFields(const nlohmann::json& json, std::string file, std::string inside);
  const nlohmann::json* find(std::string_view key) const;
  void refuse_null(std::string_view key) const;

  const nlohmann::json* json_;
  std::string file_;
  std::string inside_;  // the objects that hold these fields, each with a space behind it
};

}  // namespace regroup
