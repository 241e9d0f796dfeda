// What panels, keys and scripts may ask for. Commands for the engine are carried out by its thread, the others by the
// window.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/decode/session.h"
#include "runtime/ops/sampling.h"

namespace regroup::view {

// To the engine.
struct OpenModel {
  std::string model;  // as the command line takes it; empty: the bundled one
};
struct OpenTrace {
  std::filesystem::path path;
  bool compare = false;  // beside what is shown already
};
struct SetPrompt {
  std::string text;
  bool chat = false;
};
struct Run {
  std::uint32_t tokens = 0;  // 0: until something says stop
};
struct Say {
  std::string message;       // begins a conversation, or goes on with the one that stands
  std::uint32_t tokens = 0;  // of the answer at most; 0: no end
};
struct Pause {};
struct StepBack {};
struct Stop {};   // pauses, or cancels what is under way
struct Reset {};  // forgets the run, keeps the prompt
struct Rewind {
  std::size_t token = 0;  // index into the trace
  std::uint32_t id = 0;   // what stands there from now on
};
struct SetSampling {
  SamplingSettings settings;
};
struct SetGroups {
  std::vector<std::uint32_t> groups;  // one number for all layers, or one per layer
};
struct SetMethod {
  std::string method;
};
struct SetRegroupMode {
  RegroupMode mode = RegroupMode::kReprefill;
};
struct SetCache {
  CacheType type = CacheType::kF16;
  std::uint32_t positions = 0;
};
struct SetQuality {
  bool on = true;
};
struct SetFingerprints {
  bool on = true;
};
struct WatchAttention {
  std::optional<std::uint32_t> layer;
};
struct MeasureAllGroups {
  std::uint32_t runs = 5;
};
struct SaveTrace {
  std::filesystem::path path;
};
struct CloseComparison {};
struct LoseDevice {};  // for tests: as if the driver had reported a lost device

using EngineCommand =
    std::variant<OpenModel, OpenTrace, SetPrompt, Run, Say, Pause, StepBack, Stop, Reset, Rewind, SetSampling,
                 SetGroups, SetMethod, SetRegroupMode, SetCache, SetQuality, SetFingerprints, WatchAttention,
                 MeasureAllGroups, SaveTrace, CloseComparison, LoseDevice>;

// To the window.
enum class ThemeName { kDark, kLight, kHighContrast };
struct SetTheme {
  ThemeName theme = ThemeName::kDark;
};
struct SetZoom {
  double zoom = 1.0;  // 1 to 3
};
struct ShowPanel {
  std::string panel;
  bool visible = true;
};
struct EnlargePanel {
  std::string panel;  // empty: all again
};
struct SetPreset {
  std::string preset;
};
struct TakeScreenshot {
  std::filesystem::path path;  // empty: a name with the time, in the working directory
};
enum class ExportFormat { kSvg, kCsv, kPng };
struct ExportFigure {
  std::string panel;
  std::string figure;  // empty: the panel's first
  ExportFormat format = ExportFormat::kSvg;
  std::filesystem::path path;  // empty: named after panel and figure, in the working directory
};
struct PinRun {};  // keeps the run's times, to be seen behind later ones
struct UnpinRuns {};
struct DismissMessage {};
struct Quit {};

using UserCommand = std::variant<EngineCommand, SetTheme, SetZoom, ShowPanel, EnlargePanel, SetPreset, TakeScreenshot,
                                 ExportFigure, PinRun, UnpinRuns, DismissMessage, Quit>;

}  // namespace regroup::view
