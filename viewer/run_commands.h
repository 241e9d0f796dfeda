// What the controls of a run ask for, whether a button or a key is pressed: what stands in the field for the prompt is
// what is run.
#pragma once

#include <vector>

#include "viewer/app_state.h"
#include "viewer/panel.h"
#include "viewer/user_command.h"

namespace regroup::view {

// Runs on; a prompt that was edited since the run began is run from the start. In a conversation what stands in the
// field is said instead, and the field is free for the next message.
std::vector<EngineCommand> run_commands(const AppState& state, UiState& ui);
// The same for one token; says nothing.
std::vector<EngineCommand> step_commands(const AppState& state, const UiState& ui);
// What Enter does in the field: the prompt runs from the start, or is said.
std::vector<EngineCommand> enter_commands(const AppState& state, UiState& ui);

}  // namespace regroup::view
