// Tokens as flowing text: where each stands, which one the mouse is on, tinted by what the model thought of it.
#pragma once

#include <imgui.h>

#include <optional>
#include <string>
#include <vector>

#include "runtime/decode/trace.h"
#include "viewer/theme.h"

namespace regroup::view {

// A token's text so that nothing of it is invisible: a space as ␣, a line end as ↵.
std::string visible_text(const std::string& text);

// Draws tokens [0, trace.tokens.size()) at the cursor in lines of the width that is there, and returns the one under
// the mouse. `first_difference` and all behind it are marked.
std::optional<std::size_t> draw_tokens(const Theme& theme, const Trace& trace,
                                       std::optional<std::size_t> first_difference = std::nullopt);

// The ten best alternatives of a token, as a table with bars; the id of the row that was clicked.
std::optional<std::uint32_t> draw_alternatives(const Theme& theme, const TraceToken& token, bool clickable);

}  // namespace regroup::view
