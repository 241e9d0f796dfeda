#include "viewer/run_commands.h"

#include <utility>

namespace regroup::view {
namespace {

std::uint32_t tokens_per_run(const UiState& ui) {
  return static_cast<std::uint32_t>(ui.run_tokens);
}

std::vector<EngineCommand> begin_anew(const UiState& ui, std::uint32_t tokens) {
  return {Reset{}, SetPrompt{ui.prompt, false}, Run{tokens}};
}

std::vector<EngineCommand> go_on(const AppState& state, const UiState& ui, std::uint32_t tokens) {
  if (!state.settings.chat && ui.prompt != state.settings.prompt) return begin_anew(ui, tokens);
  return {Run{tokens}};
}

std::vector<EngineCommand> say(UiState& ui) {
  return {Say{std::exchange(ui.prompt, {}), tokens_per_run(ui)}};
}

}  // namespace

std::vector<EngineCommand> run_commands(const AppState& state, UiState& ui) {
  if (state.settings.chat && !ui.prompt.empty()) return say(ui);
  return go_on(state, ui, tokens_per_run(ui));
}

std::vector<EngineCommand> step_commands(const AppState& state, const UiState& ui) {
  return go_on(state, ui, 1);
}

std::vector<EngineCommand> enter_commands(const AppState& state, UiState& ui) {
  if (!state.settings.chat) return begin_anew(ui, tokens_per_run(ui));
  return ui.prompt.empty() ? std::vector<EngineCommand>{} : say(ui);
}

}  // namespace regroup::view
