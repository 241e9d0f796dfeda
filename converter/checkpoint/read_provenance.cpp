#include "converter/checkpoint/read_provenance.h"

#include <variant>

namespace regroup {
namespace {

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
