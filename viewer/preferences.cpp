#include "viewer/preferences.h"

#include <algorithm>
#include <cstdlib>

#include "runtime/core/json.h"
#include "runtime/file/json_cache.h"

namespace regroup::view {
namespace {

constexpr std::size_t kLargestFileBytes = 1u << 20;

}  // namespace

std::filesystem::path preferences_file() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  const std::filesystem::path base = config != nullptr && *config != 0 ? std::filesystem::path(config)
                                     : home != nullptr                 ? std::filesystem::path(home) / ".config"
                                                                       : std::filesystem::path(".");
  return base / "regroup" / "view.json";
}

Preferences load_preferences(const std::filesystem::path& file) {
  Preferences preferences;
  // What was read before something wrong is kept: every field stands for itself.
  read_json_cache(file, kLargestFileBytes, [&](const nlohmann::json& json) {
    if (!json.is_object()) return;
    if (json.contains("theme") && json["theme"].is_string()) {
      preferences.theme = theme_from_name(json["theme"].get<std::string>());
    }
    if (json.contains("zoom") && json["zoom"].is_number()) {
      preferences.zoom = std::clamp(json["zoom"].get<double>(), 1.0, 3.0);
    }
    const auto size = [&](const char* field, int& value) {
      if (json.contains(field) && json[field].is_number()) {
        value = static_cast<int>(std::clamp(json[field].get<double>(), 320.0, 16384.0));
      }
    };
    size("width", preferences.width);
    size("height", preferences.height);
    if (json.contains("layout")) preferences.layout = layout_from_json(json["layout"]);
  });
  return preferences;
}

void save_preferences(const std::filesystem::path& file, const Preferences& preferences) {
  const nlohmann::json json{{"theme", theme_name(preferences.theme)},
                            {"zoom", preferences.zoom},
                            {"width", preferences.width},
                            {"height", preferences.height},
                            {"layout", layout_to_json(preferences.layout)}};
  write_json_cache(file, json.dump(1) + "\n");
}

}  // namespace regroup::view
