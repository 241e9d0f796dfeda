#include "viewer/script.h"

#include <imgui.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "runtime/core/error.h"
#include "runtime/core/json_checked.h"
#include "viewer/backend/offscreen.h"
#include "viewer/report.h"
#include "viewer/stage.h"

namespace regroup::view {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr double kFrameSeconds = 1.0 / 8;  // a screen that nobody sees need not be drawn often
constexpr double kPatienceSeconds = 600;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// What a user does with keyboard and mouse.
bool is_input(const Json& step) {
  constexpr const char* kInput[] = {"key", "type", "mouse", "click", "drag"};
  return std::any_of(std::begin(kInput), std::end(kInput), [&](const char* key) { return step.contains(key); });
}

class Script {
 public:
  explicit Script(const HeadlessOptions& options)
      : options_(options),
        stage_(
            options.stage, Preferences{}, [&](Gpu& gpu) { return make_screen(gpu); }, [] {}, options.started) {}

  OrderedJson run() {
    if (options_.traces.empty()) {
      stage_.engine().post(OpenModel{options_.model});
    } else {
      stage_.engine().post(OpenTrace{options_.traces[0], false});
      if (options_.traces.size() > 1) {
        wait_until_idle(kPatienceSeconds);
        note_failure(false);  // before what comes of the second trace is shown in its place
        stage_.engine().post(OpenTrace{options_.traces[1], true});
        stage_.app().carry_out(SetPreset{"compare"});
      }
    }
    wait_until_idle(kPatienceSeconds);
    note_failure(false);
    if (!options_.script.empty()) {
      std::ifstream file(options_.script, std::ios::binary);
      std::ostringstream text;
      if (!file || !(text << file.rdbuf()))
        throw_error(ErrorCode::kUsage, "{}: cannot be read", options_.script.string());
      const Json steps = parse_json_checked(text.str(), options_.script.string());
      if (!steps.is_array()) throw_error(ErrorCode::kUsage, "{}: is no list of steps", options_.script.string());
      const auto begin = Clock::now();
      for (std::size_t i = 0; i < steps.size(); ++i) {
        if (options_.seconds > 0 && seconds_since(begin) > options_.seconds) break;
        step(steps[i], i);
      }
    }
    if (!options_.screenshot.empty()) take_screenshot(options_.screenshot);
    OrderedJson result{{"schema", 1}};
    result["reports"] = reports_;
    result["errors"] = errors_;
    result["exit_code"] = exit_code_;
    result["seconds"] = seconds_since(options_.started);
    result.update(run_report(stage_));
    return result;
  }

 private:
  std::unique_ptr<Screen> make_screen(Gpu& gpu) {
    return std::make_unique<Offscreen>(gpu, options_.width, options_.height);
  }

  void frames(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) stage_.draw();
  }

  // Frames go on meanwhile, as in a window.
  void wait_until_idle(double patience_seconds) {
    const auto start = Clock::now();
    const auto lost = [&] {
      const std::lock_guard lock(stage_.shared().mutex);
      return stage_.shared().state.phase == Phase::kLost;
    };
    while (!stage_.engine().idle() || lost()) {
      const auto begin = Clock::now();
      stage_.draw();
      if (seconds_since(start) > patience_seconds) {
        throw_error(ErrorCode::kFailed, "the engine was still busy after {:.0f} s", patience_seconds);
      }
      std::this_thread::sleep_until(begin + std::chrono::duration<double>(kFrameSeconds));
    }
    frames(3);
  }

  void take_screenshot(const std::filesystem::path& path) {
    frames(2);
    stage_.app().carry_out(TakeScreenshot{path});
    {
      const std::lock_guard lock(stage_.shared().mutex);
      remembered_message_ = stage_.shared().state.message;
    }
    frames(1);
    const std::lock_guard lock(stage_.shared().mutex);
    AppState& state = stage_.shared().state;
    if (state.failure && state.message != remembered_message_) throw Error(*state.failure, state.message);
    // A picture does not show the message that tells of the one before.
    if (!state.failure) state.message = remembered_message_;
  }

  // Numbers of a script are cast nowhere: it may come from anywhere.
  static std::uint32_t whole(const Json& value) {
    if (!is_whole_number(value, UINT32_MAX)) {
      throw_error(ErrorCode::kUsage, "{} is no whole number", escaped(value.dump(-1, ' ', true), 60));
    }
    return value.get<std::uint32_t>();
  }

  // One step, see script.h.
  void step(const Json& json, std::size_t index) {
    if (!json.is_object() || json.empty()) refuse(index, "is no object with a command");
    try {
      do_step(json, index);
      note_failure(is_input(json));
    } catch (const Json::exception& error) {
      refuse(index, error.what());
    }
  }

  // Failures that were shown, as a later step may dismiss them. The run fails as the first of them did, but for input:
  // keys come at any time, and what cannot be done then is only said.
  void note_failure(bool by_input) {
    const std::lock_guard lock(stage_.shared().mutex);
    const AppState& state = stage_.shared().state;
    const std::string message = state.failure ? state.message : std::string();
    if (!message.empty() && message != last_error_) {
      errors_.push_back(message);
      const bool refused = by_input && *state.failure == ErrorCode::kUsage;
      if (exit_code_ == 0 && !refused) exit_code_ = exit_code(*state.failure);
    }
    last_error_ = message;
  }

  [[noreturn]] void refuse(std::size_t index, std::string_view problem) const {
    throw_error(ErrorCode::kUsage, "{}: step {} {}", options_.script.string(), index, escaped(problem));
  }

  void post(EngineCommand command) { stage_.app().carry_out(std::move(command)); }

  void do_step(const Json& json, std::size_t index);
  bool do_engine_step(const Json& json);
  bool do_window_step(const Json& json);

  const HeadlessOptions& options_;
  ImguiContext imgui_;
  Stage stage_;
  OrderedJson reports_ = OrderedJson::array();
  std::string remembered_message_, last_error_;
  std::vector<std::string> errors_;
  int exit_code_ = 0;
};

bool Script::do_engine_step(const Json& json) {
  const auto has = [&](const char* key) { return json.contains(key); };
  if (has("open")) {
    stage_.app().open_path(json["open"].get<std::string>());
  } else if (has("drop")) {  // as if these files had been dropped on the window
    stage_.app().drop(json["drop"].get<std::vector<std::filesystem::path>>());
  } else if (has("prompt")) {
    post(Reset{});
    post(SetPrompt{json["prompt"].get<std::string>(), json.value("chat", false)});
  } else if (has("say")) {
    post(Say{json["say"].get<std::string>(), json.value("tokens", 0u)});
  } else if (has("run")) {
    post(Run{whole(json["run"])});
  } else if (has("start")) {  // and do not wait
    post(Run{whole(json["start"])});
    frames(1);
    return true;
  } else if (has("stop")) {
    post(Stop{});
  } else if (has("reset")) {
    post(Reset{});
  } else if (has("back")) {
    post(StepBack{});
  } else if (has("rewind")) {
    post(Rewind{whole(json["rewind"].at(0)), whole(json["rewind"].at(1))});
  } else if (has("groups")) {
    post(SetGroups{json["groups"].is_array() ? json["groups"].get<std::vector<std::uint32_t>>()
                                             : std::vector{whole(json["groups"])}});
    if (json.value("wait", true) == false) return true;
  } else if (has("method")) {
    post(SetMethod{json["method"].get<std::string>()});
    if (json.value("wait", true) == false) return true;
  } else if (has("mode")) {
    post(SetRegroupMode{json["mode"] == "pool" ? RegroupMode::kPoolCache : RegroupMode::kReprefill});
  } else if (has("cache")) {
    const auto type = cache_type_from_name(json["cache"].get<std::string>());
    if (!type) throw_error(ErrorCode::kUsage, "cache type '{}' is unknown", escaped(json["cache"].get<std::string>()));
    post(SetCache{*type, json.value("positions", 0u)});
  } else if (has("sampling")) {
    SamplingSettings s{};
    const Json& given = json["sampling"];
    s.temperature = given.value("temperature", 0.0f);
    s.top_k = given.value("top_k", 0u);
    s.top_p = given.value("top_p", 1.0f);
    s.min_p = given.value("min_p", 0.0f);
    s.repeat_penalty = given.value("repeat_penalty", 1.0f);
    s.seed = given.value("seed", std::uint64_t{0});
    post(SetSampling{s});
  } else if (has("quality")) {
    post(SetQuality{json["quality"].get<bool>()});
  } else if (has("fingerprints")) {
    post(SetFingerprints{json["fingerprints"].get<bool>()});
  } else if (has("attention_layer")) {
    post(WatchAttention{whole(json["attention_layer"])});
  } else if (has("measure")) {
    post(MeasureAllGroups{whole(json["measure"])});
  } else if (has("save_trace")) {
    post(SaveTrace{json["save_trace"].get<std::string>()});
  } else if (has("trace")) {
    post(OpenTrace{json["trace"].get<std::string>(), json.value("compare", false)});
  } else if (has("lose_device")) {
    post(LoseDevice{});
  } else {
    return false;
  }
  wait_until_idle(json.value("seconds", kPatienceSeconds));
  return true;
}

bool Script::do_window_step(const Json& json) {
  const auto has = [&](const char* key) { return json.contains(key); };
  App& app = stage_.app();
  ImGuiIO& io = ImGui::GetIO();
  if (is_input(json)) app.input_arrived(Clock::now());
  if (has("key")) {
    app.press({json["key"].get<std::string>()});
  } else if (has("type")) {
    io.AddInputCharactersUTF8(json["type"].get<std::string>().c_str());
  } else if (has("mouse") || has("click")) {
    const Json& at = has("mouse") ? json["mouse"] : json["click"];
    io.MousePos = {at.at(0).get<float>(), at.at(1).get<float>()};
    frames(2);
    if (has("click")) {
      const std::uint32_t button = whole(json.value("button", Json(0u)));
      if (button >= std::size(io.MouseDown)) throw_error(ErrorCode::kUsage, "mouse button {} does not exist", button);
      app.input_arrived(Clock::now());
      io.MouseDown[button] = true;
      frames(2);
      app.input_arrived(Clock::now());
      io.MouseDown[button] = false;
    }
  } else if (has("drag")) {
    const Json& d = json["drag"];
    io.MousePos = {d.at(0).get<float>(), d.at(1).get<float>()};
    frames(2);
    io.MouseDown[0] = true;
    frames(2);
    io.MousePos = {d.at(2).get<float>(), d.at(3).get<float>()};
    frames(2);
    io.MouseDown[0] = false;
  } else if (has("theme")) {
    app.carry_out(SetTheme{theme_from_name(json["theme"].get<std::string>())});
  } else if (has("zoom")) {
    app.carry_out(SetZoom{json["zoom"].get<double>()});
  } else if (has("preset")) {
    app.carry_out(SetPreset{json["preset"].get<std::string>()});
  } else if (has("panel")) {
    app.carry_out(ShowPanel{json["panel"].get<std::string>(), json.value("visible", true)});
  } else if (has("enlarge")) {
    app.carry_out(EnlargePanel{json["enlarge"].get<std::string>()});
  } else if (has("layer") || has("head")) {
    app.ui().layer = json.value("layer", app.ui().layer);
    app.ui().head = json.value("head", app.ui().head);
  } else if (has("per_layer")) {
    app.ui().per_layer = json["per_layer"].get<bool>();
  } else if (has("size")) {
    static_cast<Offscreen&>(stage_.screen()).resize(whole(json["size"].at(0)), whole(json["size"].at(1)));
  } else if (has("monitor_scale")) {  // as if the window had been moved to another monitor
    app.set_monitor_scale(json["monitor_scale"].get<float>());
  } else if (has("frames")) {
    frames(whole(json["frames"]));
  } else if (has("pin")) {
    app.carry_out(json["pin"].get<bool>() ? UserCommand(PinRun{}) : UserCommand(UnpinRuns{}));
  } else if (has("dismiss")) {
    app.carry_out(DismissMessage{});
  } else if (has("screenshot")) {
    take_screenshot(json["screenshot"].get<std::string>());
  } else if (has("export")) {
    const std::string format = json.value("format", std::string("svg"));
    app.carry_out(ExportFigure{json["export"].get<std::string>(), json.value("figure", std::string()),
                               format == "csv"   ? ExportFormat::kCsv
                               : format == "png" ? ExportFormat::kPng
                                                 : ExportFormat::kSvg,
                               json.value("path", std::string())});
  } else {
    return false;
  }
  frames(2);
  return true;
}

void Script::do_step(const Json& json, std::size_t index) {
  if (json.contains("wait_for_tokens")) {
    const auto wanted = json["wait_for_tokens"].get<std::size_t>();
    const auto start = Clock::now();
    while (true) {
      {
        const std::lock_guard lock(stage_.shared().mutex);
        const Trace& trace = stage_.shared().state.trace;
        if (trace.tokens.size() - trace.prompt_tokens() >= wanted) return;
      }
      if (seconds_since(start) > kPatienceSeconds) refuse(index, "took too long");
      stage_.draw();
      std::this_thread::sleep_for(std::chrono::duration<double>(kFrameSeconds));
    }
  }
  if (json.contains("wait")) {
    if (json["wait"] == "idle") return wait_until_idle(kPatienceSeconds);
  }
  if (json.contains("report")) {
    OrderedJson r{{"label", json["report"]}};
    const OrderedJson all = run_report(stage_);
    if (json.contains("only")) {
      for (const Json& key : json["only"]) r[key.get<std::string>()] = all.at(key.get<std::string>());
    } else {
      r.update(all);
    }
    reports_.push_back(std::move(r));
    return;
  }
  if (!do_engine_step(json) && !do_window_step(json)) {
    refuse(index,
           fmt::format("has no command that is known: {}", json.dump(-1, ' ', false, Json::error_handler_t::replace)));
  }
}

}  // namespace

OrderedJson run_headless(const HeadlessOptions& options) {
  return Script(options).run();
}

}  // namespace regroup::view
