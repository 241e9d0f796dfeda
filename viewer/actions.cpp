#include "viewer/actions.h"

#include <sstream>
#include <string>

#include "viewer/app.h"

namespace regroup::view {
namespace {

template <std::uint32_t G>
void choose(App& app) {
  app.choose_groups(G);
}

}  // namespace

const std::vector<Action>& actions() {
  static const std::vector<Action> table = {
      {"space", "Space", "Run or pause", false, [](App& app) { app.toggle_run(); }},
      {"right", "Right", "One token", false, [](App& app) { app.step(); }},
      {"left", "Left", "Take back one token", false, [](App& app) { app.carry_out(EngineCommand(StepBack{})); }},
      {"escape", "Escape", "Close what is open, dismiss, stop, then reset", true, [](App& app) { app.escape(); }},
      {"p", "P", "Edit the prompt", false, [](App& app) { app.ui().focus_prompt = true; }},
      {"1", "1 - 9", "Choose G", false, choose<1>},
      {"2", "", "", false, choose<2>},
      {"3", "", "", false, choose<3>},
      {"4", "", "", false, choose<4>},
      {"5", "", "", false, choose<5>},
      {"6", "", "", false, choose<6>},
      {"7", "", "", false, choose<7>},
      {"8", "", "", false, choose<8>},
      {"9", "", "", false, choose<9>},
      {"m", "M", "Measure all G", false, [](App& app) { app.carry_out(EngineCommand(MeasureAllGroups{})); }},
      {"i", "I", "Pin this run's times behind the next ones", false, [](App& app) { app.carry_out(PinRun{}); }},
      {"k", "K", "Quality on or off", false, [](App& app) { app.toggle_quality(); }},
      {"f", "F", "Enlarge the panel under the mouse, or all again", false, [](App& app) { app.enlarge_hovered(); }},
      {"t", "T", "Next theme: dark, light, high contrast", false, [](App& app) { app.next_theme(); }},
      {"l", "L", "Next layout: live, memory, compare", false, [](App& app) { app.next_preset(); }},
      {"ctrl+o", "Ctrl O", "Open a model or a trace", true, [](App& app) { app.open_file_dialog(); }},
      {"ctrl+s", "Ctrl S", "Save the run as a trace", true, [](App& app) { app.save_trace(); }},
      {"e", "E", "Save the plot under the mouse as SVG", false,
       [](App& app) { app.export_hovered(ExportFormat::kSvg); }},
      {"c", "C", "Save the plot under the mouse as CSV", false,
       [](App& app) { app.export_hovered(ExportFormat::kCsv); }},
      {"f12", "F12", "Save a picture of the window", true, [](App& app) { app.carry_out(TakeScreenshot{}); }},
      {"ctrl+= ctrl++", "Ctrl +", "Larger", true, [](App& app) { app.change_zoom(1.1); }},
      {"ctrl+-", "Ctrl -", "Smaller", true, [](App& app) { app.change_zoom(1 / 1.1); }},
      {"ctrl+0", "Ctrl 0", "Normal size", true, [](App& app) { app.carry_out(SetZoom{1.0}); }},
      {"ctrl+shift+p", "Ctrl Shift P", "All actions by name", true, [](App& app) { app.toggle_palette(); }},
      {"? f1", "F1 or ?", "This sheet", false, [](App& app) { app.toggle_shortcuts(); }},
      {"ctrl+q", "Ctrl Q", "Quit", true, [](App& app) { app.carry_out(Quit{}); }},
  };
  return table;
}

const Action* action_for(const KeyPress& press, bool typing) {
  for (const Action& action : actions()) {
    if (typing && !action.while_typing) continue;
    std::istringstream chords{std::string(action.chord)};
    for (std::string chord; chords >> chord;) {
      if (chord == press.chord) return &action;
    }
  }
  return nullptr;
}

}  // namespace regroup::view
