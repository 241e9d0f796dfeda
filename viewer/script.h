// A headless run: steps from a JSON file drive the same contents as a window, and a report tells what came of them.
//
// A script is a list of objects, one command each. Those for the engine wait until it is idle, frames go on meanwhile:
//   {"open": path} {"trace": path, "compare": bool} {"save_trace": path} {"lose_device": true}
//   {"prompt": text, "chat": bool} {"say": text, "tokens": n} {"drop": [path, ...]} {"run": tokens} {"start": tokens}
//   (does not wait) {"stop"|"reset"|"back": true}
//   {"rewind": [token, id]} {"sampling": {"temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed"}}
//   {"groups": G or [G, ...], "wait": bool} {"method": name, "wait": bool} {"mode": "pool"|"recompute"}
//   {"cache": type, "positions": n} {"quality"|"fingerprints": bool} {"attention_layer": l} {"measure": runs}
// Those for the window:
//   {"key": chord} {"type": text} {"mouse"|"click": [x, y]} {"drag": [x, y, to x, to y]} {"frames": n} {"size": [w, h]}
//   {"monitor_scale": s}
//   {"theme": name} {"zoom": 1 to 3} {"preset": name} {"panel": id, "visible": bool} {"enlarge": id} {"layer": l,
//   "head": h} {"per_layer": bool} {"pin": bool} {"dismiss": true} {"screenshot": path}
//   {"export": panel, "figure": id, "format": "svg"|"csv"|"png", "path": path}
// And {"wait": "idle"}, {"wait_for_tokens": n}, {"report": label, "only": [keys]}.
#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "viewer/preferences.h"
#include "viewer/stage.h"

namespace regroup::view {

struct HeadlessOptions {
  StageOptions stage;
  std::string model;                          // opened first; empty: the bundled one
  std::filesystem::path script;               // empty: nothing but the model
  double seconds = 0;                         // 0: all steps; else none is begun that long after the first
  std::filesystem::path screenshot;           // of the last frame; empty: none
  std::vector<std::filesystem::path> traces;  // replayed instead of a model; the second is compared with the first
  std::uint32_t width = 1600, height = 1000;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
};

// The report: {"schema": 1, "reports": [...], "errors": what failed, "exit_code": of the first of them, or 0, and the
// final state}. Throws kUsage naming the step that is wrong, kFailed for one that took too long, kNoDevice.
nlohmann::ordered_json run_headless(const HeadlessOptions& options);

}  // namespace regroup::view
