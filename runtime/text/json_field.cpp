#include "runtime/text/json_field.h"

#include <algorithm>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/core/json_checked.h"

namespace regroup {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kShownBytes = 60;

std::string describe(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string()) return fmt::format("\"{}\"", escaped(value.get_ref<const std::string&>(), kShownBytes));
  return value.dump();
}

// Names as they are, other keys in quotes: a token can be any text.
std::string joined(std::string_view path, std::string_view key) {
  const bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!plain) return fmt::format("{}[\"{}\"]", path, escaped(key, kShownBytes));
  return fmt::format("{}{}{}", path, path.empty() ? "" : ".", escaped(key, kShownBytes));
}

}  // namespace

JsonField::JsonField(const Json& value, std::string_view file, std::string path)
    : value_(&value), file_(file), path_(std::move(path)) {}

void JsonField::refuse(std::string_view problem) const {
  throw_error(ErrorCode::kBadModel, "{}: {}{}{}", file_, path_, path_.empty() ? "" : " ", problem);
}

void JsonField::expected(std::string_view what) const {
  refuse(fmt::format("is {}, expected {}", describe(*value_), what));
}

bool JsonField::is_null() const {
  return value_->is_null();
}
bool JsonField::is_text() const {
  return value_->is_string();
}
bool JsonField::is_list() const {
  return value_->is_array();
}
bool JsonField::is_object() const {
  return value_->is_object();
}

JsonField JsonField::at(std::string_view key) const {
  if (auto found = find(key)) return *std::move(found);
  throw_error(ErrorCode::kBadModel, "{}: {} is missing", file_, joined(path_, key));
}

std::optional<JsonField> JsonField::find(std::string_view key) const {
  require_object();
  const auto found = value_->find(key);
  if (found == value_->end()) return std::nullopt;
  return JsonField(*found, file_, joined(path_, key));
}

std::optional<JsonField> JsonField::find_set(std::string_view key) const {
  auto found = find(key);
  if (found && found->is_null()) found.reset();
  return found;
}

std::size_t JsonField::size() const {
  if (!is_list()) expected("a list");
  return value_->size();
}

JsonField JsonField::element(std::size_t index) const {
  if (index >= size()) refuse(fmt::format("has {} entries, expected at least {}", size(), index + 1));
  return {(*value_)[index], file_, fmt::format("{}[{}]", path_, index)};
}

void JsonField::require_object() const {
  if (!is_object()) expected("an object");
}

const std::string& JsonField::text() const {
  if (!is_text()) expected("a text");
  return value_->get_ref<const std::string&>();
}

bool JsonField::truth() const {
  if (!value_->is_boolean()) expected("true or false");
  return value_->get<bool>();
}

double JsonField::number() const {
  if (!value_->is_number()) expected("a number");
  return value_->get<double>();
}

std::uint32_t JsonField::id() const {
  if (!is_whole_number(*value_, UINT32_MAX)) expected("a token's id, a whole number");
  return value_->get<std::uint32_t>();
}

std::string JsonField::text(std::string_view key, std::string_view otherwise) const {
  const auto found = find(key);
  return found ? found->text() : std::string(otherwise);
}

bool JsonField::truth(std::string_view key, bool otherwise) const {
  const auto found = find(key);
  return found ? found->truth() : otherwise;
}

}  // namespace regroup
