// Everything that has a key: one table for the keyboard, the sheet of shortcuts and the palette.
#pragma once

#include <string_view>
#include <vector>

#include "viewer/key_press.h"

namespace regroup::view {

class App;

struct Action {
  std::string_view chord;       // "space"; several with a blank between: "ctrl+= ctrl++"
  std::string_view shown_keys;  // "Space", "Ctrl +"
  std::string_view title;       // "Run or pause"
  bool while_typing;            // works with the cursor in a text field too
  void (*run)(App& app);
};

const std::vector<Action>& actions();
// The action of a chord, or nullptr.
const Action* action_for(const KeyPress& press, bool typing);

}  // namespace regroup::view
