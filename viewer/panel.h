// A panel: one part of the window with a title, an explanation, and a function that draws it from the state and asks
// for commands. One file of panels/ and one row of panels.def each.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "viewer/app_state.h"
#include "viewer/durations.h"
#include "viewer/figure.h"
#include "viewer/theme.h"
#include "viewer/user_command.h"

namespace regroup::view {

// What is kept of a run that was pinned, to be seen behind the later ones.
struct PinnedRun {
  std::string name;
  Series over_time, against_groups;
};

// What the window keeps between frames beside the state of the engine.
struct UiState {
  std::string prompt;
  bool prompt_edited = false;  // differs from what the engine has
  int run_tokens = 200;
  std::size_t layer = 0;            // looked at in the panels that show one layer
  std::size_t head = 0;             // looked at in the attention panel
  bool per_layer = false;           // G is chosen layer by layer
  std::size_t alternatives_of = 0;  // the token whose alternatives are listed
  bool focus_prompt = false;
  std::vector<PinnedRun> pinned;
  Durations frames;  // building and drawing one
  Durations built;   // building alone
  Durations input;   // from an input event to the end of the frame that shows what came of it
  double first_frame_ms = 0, model_ready_ms = 0;  // since the program began; 0: not yet

  struct Drawn {
    Figure figure;
    Rect area;
  };
  std::map<std::string, std::vector<Drawn>, std::less<>> drawn;  // figures of the last frame by panel
};

struct PanelContext {
  const AppState& state;
  UiState& ui;
  const Theme& theme;
  std::vector<UserCommand>& asked;
  std::string_view panel;  // that is being drawn

  void ask(EngineCommand command) const { asked.emplace_back(std::move(command)); }
  void ask_window(UserCommand command) const { asked.push_back(std::move(command)); }
  // Draws it at the cursor, `height` pixels high and as wide as the panel (or `width`), with a tooltip, and remembers
  // it for export.
  void show(Figure figure, float height, float width = 0) const;
};

struct Panel {
  std::string_view id;
  std::string_view title;
  std::string_view help;  // one paragraph
  void (*draw)(PanelContext& context);
};

const std::vector<const Panel*>& all_panels();
const Panel* find_panel(std::string_view id);

// "G 4", or "G mixed" where layers differ.
std::string groups_label(const std::vector<std::uint32_t>& groups);
// Text in the theme's dim colour, wrapped.
void dim_text(const Theme& theme, std::string_view text);
// What an empty panel says, in its middle.
void empty_panel(const Theme& theme, std::string_view text);
// "label   value" with the value in the monospaced font at `value_x` from the left.
void fact(const Theme& theme, std::string_view label, std::string_view value, float value_x);
// The next item stands beside the last one, or below it where it is wider than what is left.
void next_to(float width, float gap);
// A row of buttons of which one is chosen; the index that was clicked or -1.
int segmented(const Theme& theme, const char* id, const std::vector<std::string>& labels, int chosen);

}  // namespace regroup::view
