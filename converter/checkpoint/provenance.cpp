#include "converter/checkpoint/provenance.h"

#include <algorithm>
#include <variant>

#include "runtime/core/error.h"

namespace regroup {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const GgufMetadata& metadata, std::string_view key) {
  const GgufValue* value = metadata.find(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? "" : *text;
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

void add_provenance(GgufMetadata& metadata, const Provenance& from) {
  // The source's own, if it was converted itself, are no truth about this one.
  for (const char* key :
       {"regroup.source.name", "regroup.source.checksum", "regroup.method", "regroup.calibration", "regroup.errors"}) {
    metadata.erase(key);
  }
  const auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) metadata.set(key, value);
  };
  text("regroup.source.name", escaped(from.source_name));
  text("regroup.source.checksum", from.source_checksum);
  text("regroup.method", from.method);
  text("regroup.calibration", from.calibration);
  metadata.set("regroup.seed", from.seed);
  const auto numbers = [](const std::vector<std::uint32_t>& values) {
    return GgufArray{std::vector<std::uint32_t>(values)};
  };
  metadata.set("regroup.source.groups", numbers(from.source_groups));
  metadata.set("regroup.groups", numbers(from.groups));
  metadata.set("regroup.methods", GgufArray{from.methods});
  metadata.set("regroup.members", GgufArray{from.members});
  if (std::any_of(from.errors.begin(), from.errors.end(), [](const auto& error) { return error.has_value(); })) {
    std::vector<float> errors;
    // -1: not measured
    for (const auto& error : from.errors) errors.push_back(static_cast<float>(error.value_or(-1.0)));
    metadata.set("regroup.errors", GgufArray{errors});
  }
}

Json provenance_json(const Provenance& from) {
  Json errors = Json::array();
  for (const auto& error : from.errors) errors.push_back(error ? Json(*error) : Json(nullptr));
  Json out{{"source_name", escaped(from.source_name)},
           {"source_checksum", from.source_checksum},
           {"method", from.method},
           {"seed", from.seed},
           {"source_groups", from.source_groups},
           {"groups", from.groups},
           {"methods", from.methods},
           {"members", from.members},
           {"errors", errors}};
  if (!from.calibration.empty()) out["calibration"] = from.calibration;
  return out;
}

std::optional<StatedSource> stated_source(const ModelFile& file) {
  StatedSource source;
  if (file.kind() == ModelFileKind::kGguf) {
    const GgufMetadata& keys = file.metadata();
    source = {text_of(keys, "regroup.source.name"), text_of(keys, "regroup.source.checksum"),
              text_of(keys, "regroup.method"), text_of(keys, "regroup.calibration")};
  } else {
    const auto found = file.config().find("regroup");
    if (found == file.config().end() || !found->is_object()) return std::nullopt;
    source = {text_of(*found, "source_name"), text_of(*found, "source_checksum"), text_of(*found, "method"),
              text_of(*found, "calibration")};
  }
  if (source.method.empty()) return std::nullopt;
  return source;
}

}  // namespace regroup
