#include "viewer/report.h"

#include "viewer/host_memory.h"
#include "viewer/stage.h"

namespace regroup::view {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string_view phase_name(Phase phase) {
  constexpr std::string_view kNames[] = {"empty",    "loading", "ready",     "prefilling", "running", "paused",
                                         "finished", "merging", "measuring", "replay",     "lost"};
  return kNames[static_cast<int>(phase)];
}

OrderedJson durations(const Durations& d) {
  return {{"count", d.count()}, {"p50_ms", d.percentile(0.5)}, {"p99_ms", d.percentile(0.99)}, {"max_ms", d.largest()}};
}

}  // namespace

nlohmann::ordered_json run_report(Stage& stage) {
  const std::lock_guard lock(stage.shared().mutex);
  const AppState& s = stage.shared().state;
  std::vector<std::uint32_t> prompt, tokens;
  std::string text;
  double kl = 0;
  std::size_t judged = 0, same = 0;
  for (const TraceToken& token : s.trace.tokens) {
    (token.prompt ? prompt : tokens).push_back(token.id);
    if (!token.prompt) text += token.text;
    if (token.quality) kl += token.quality->kl, ++judged, same += token.quality->same_top ? 1 : 0;
  }
  const UiState& ui = stage.app().ui();
  const HostMemory memory = host_memory();
  OrderedJson sweep = OrderedJson::array(), conversation = OrderedJson::array();
  for (const ChatMessage& message : s.conversation) {
    conversation.push_back({{"role", message.role}, {"content", message.content}});
  }
  for (const TraceSweepPoint& point : s.trace.sweep) {
    sweep.push_back({{"groups", point.groups},
                     {"mean_ms", point.mean_ms},
                     {"deviation_ms", point.deviation_ms},
                     {"runs", point.runs}});
  }
  return {{"phase", phase_name(s.phase)},
          {"model", s.trace.model.name},
          {"prompt_tokens", prompt},
          {"tokens", tokens},
          {"text", text},
          {"conversation", conversation},
          {"groups", s.settings.groups},
          {"method", s.settings.method},
          {"methods", s.settings.methods},
          {"kv_bytes", s.memory.kv_allocated},
          {"kv_bytes_predicted", s.memory.kv_predicted},
          {"kv_bytes_per_token", s.memory.kv_per_token},
          {"mha_bytes_per_token", s.memory.mha_per_token},
          {"kl_mean", judged > 0 ? OrderedJson(kl / static_cast<double>(judged)) : OrderedJson(nullptr)},
          {"same_top",
           judged > 0 ? OrderedJson(static_cast<double>(same) / static_cast<double>(judged)) : OrderedJson(nullptr)},
          {"attention_rows", s.attention.size()},
          {"similar_layers", s.heads.size()},
          {"sweep", sweep},
          {"message", s.message},
          {"message_is_error", s.failure.has_value()},
          {"difference", s.other ? OrderedJson(s.difference.describe()) : OrderedJson(nullptr)},
          {"device", s.device.name},
          {"driver", s.device.driver},
          {"device_rebuilt", s.device.rebuilt},
          {"device_bytes", stage.gpu().device().allocated_bytes()},
          {"resident_bytes", memory.resident},
          {"heap_bytes", memory.heap},
          {"freed_bytes", memory.freed},
          {"compiled_bytes", memory.compiled},
          {"frames", durations(ui.frames)},
          {"frames_built", durations(ui.built)},
          {"input", durations(ui.input)},
          {"first_frame_ms", ui.first_frame_ms},
          {"model_ready_ms", ui.model_ready_ms},
          {"validation_messages", stage.validation().messages()}};
}

}  // namespace regroup::view
