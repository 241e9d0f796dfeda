// What the window remembers from one start to the next, in $XDG_CONFIG_HOME/regroup/view.json.
#pragma once

#include <filesystem>

#include "viewer/layout.h"
#include "viewer/theme.h"

namespace regroup::view {

struct Preferences {
  ThemeName theme = ThemeName::kDark;
  double zoom = 1.0;  // 1 to 3
  int width = 1600, height = 1000;
  Layout layout = preset_layout("live");
};

// $XDG_CONFIG_HOME or ~/.config, then regroup/view.json.
std::filesystem::path preferences_file();
// Defaults for whatever the file lacks or has wrong.
Preferences load_preferences(const std::filesystem::path& file);
// Failures are silent: a read-only home must not keep the window from closing.
void save_preferences(const std::filesystem::path& file, const Preferences& preferences);

}  // namespace regroup::view
