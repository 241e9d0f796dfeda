// What the engine does for each command; see user_command.h.
#include <algorithm>
#include <fstream>
#include <sstream>

#include "runtime/core/error.h"
#include "runtime/decode/measure.h"
#include "runtime/file/replace_file.h"
#include "runtime/model/group_plan.h"
#include "viewer/engine.h"
#include "viewer/live_grouping.h"

namespace regroup::view {
namespace {

std::string read_whole_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || text.bad()) throw_error(ErrorCode::kFailed, "{}: cannot be read", escaped(path.string()));
  return text.str();
}

}  // namespace

Decoding& Engine::decoding() const {
  if (!opened_) throw_error(ErrorCode::kUsage, "no model is open; drop a model file here or press Ctrl+O");
  if (!decoding_) {
    throw_error(ErrorCode::kOutOfMemory, "there was no memory left for a run of {}; free some and open it again",
                opened_->file.path().filename().string());
  }
  return *decoding_;
}

void Engine::handle(const OpenTrace& command) {
  const std::string name = command.path.string();
  Trace trace = trace_from_json(read_whole_file(command.path), name);
  if (command.compare) {
    publish([&](AppState& state) {
      state.difference = compare_traces(state.trace, trace);
      state.other = std::move(trace);
      state.other_name = command.path.filename().string();
      state.message = state.difference.describe();
      state.failure.reset();
    });
    return;
  }
  running_ = false;
  decoding_.reset();
  opened_.reset();
  reopen_.clear();
  publish([&](AppState& state) {
    state.phase = Phase::kReplay;
    state.activity.clear();
    state.finished_because.clear();
    state.heads.clear();
    state.attention.clear();
    state.kernel_times.clear();
    state.other.reset();
    state.memory = MemoryFacts{};
    if (!trace.groupings.empty()) {
      const TraceGrouping& last = trace.groupings.back();
      const std::uint64_t mha_layer =
          last.groups[0] > 0 ? last.layer_bytes_per_token[0] / last.groups[0] * trace.model.query_heads : 0;
      state.memory = {.kv_allocated = last.kv_bytes,
                      .kv_predicted = last.kv_bytes,
                      .kv_per_token = last.kv_bytes_per_token,
                      .mha_per_token = mha_layer * trace.model.layers,
                      .layer_per_token = last.layer_bytes_per_token,
                      .mha_layer_per_token = std::vector<std::uint64_t>(trace.model.layers, mha_layer),
                      .weights = trace.model.weights_bytes};
      state.settings.groups = last.groups;
    }
    state.settings.choices.clear();
    state.settings.attention_layer.reset();
    state.device = DeviceFacts{.name = trace.device, .driver = trace.driver, .kernels = trace.kernels};
    state.device.bytes_per_second = trace.bytes_per_second;
    state.trace = std::move(trace);
    ++state.tokens_version;
    state.message = fmt::format("Replaying {}; nothing is computed.", command.path.filename().string());
    state.failure.reset();
  });
}

void Engine::handle(const SetPrompt& command) {
  publish([&](AppState& state) {
    state.settings.prompt = command.text;
    state.settings.chat = command.chat && state.settings.can_chat;
  });
}

void Engine::handle(const Run& command) {
  Decoding& run = decoding();
  const bool fresh = peek([](const AppState& state) { return state.trace.tokens.empty(); });
  if (fresh) {
    const auto [prompt, chat] =
        peek([](const AppState& state) { return std::pair(state.settings.prompt, state.settings.chat); });
    run.begin(prompt, chat);
  }
  tokens_left_ = command.tokens;
  running_ = true;
  publish([](AppState& state) { state.phase = Phase::kRunning; });
}

void Engine::handle(const Say& command) {
  Decoding& run = decoding();
  if (!peek([](const AppState& state) { return state.settings.can_chat; })) {
    throw_error(ErrorCode::kUsage, "this model has no chat template; switch chat off");
  }
  if (peek([](const AppState& state) { return state.trace.tokens.empty(); })) {
    handle(SetPrompt{command.message, true});
    run.begin(command.message, true);
  } else {
    run.say(command.message);
  }
  handle(Run{.tokens = command.tokens});
}

void Engine::handle(const Pause&) {
  running_ = false;
  publish([](AppState& state) {
    if (state.phase == Phase::kRunning || state.phase == Phase::kPrefilling) state.phase = Phase::kPaused;
  });
}

void Engine::handle(const StepBack&) {
  if (!decoding_) return;
  running_ = false;
  const std::size_t count = peek([](const AppState& state) {
    const auto& tokens = state.trace.tokens;
    return tokens.empty() || tokens.back().prompt ? 0 : tokens.size();
  });
  if (count > 0) decoding_->keep(count - 1);
  publish([](AppState& state) {
    if (!state.trace.tokens.empty()) state.phase = Phase::kPaused;
    state.finished_because.clear();
  });
}

void Engine::handle(const Stop& command) {
  static_cast<void>(command);  // post() has cancelled what was under way
  handle(Pause{});
}

void Engine::handle(const Reset&) {
  running_ = false;
  if (!decoding_) return;
  decoding_->keep(0);
  decoding_->publish_memory();
  publish([](AppState& state) {
    state.phase = Phase::kReady;
    state.finished_because.clear();
  });
}

void Engine::handle(const Rewind& command) {
  if (!decoding_) return;
  decoding_->replace(command.token, command.id);
  publish([&](AppState& state) {
    if (!running_) state.phase = Phase::kPaused;
    state.finished_because.clear();
  });
}

void Engine::handle(const SetSampling& command) {
  publish([&](AppState& state) { state.settings.sampling = command.settings; });
  if (decoding_) decoding_->set_sampling(command.settings);
}

std::unique_ptr<Grouping> Engine::merge_heads(const std::vector<std::uint32_t>& groups, const std::string& method,
                                              const CancelFlag* cancel) {
  GroupingRequest request{.groups = groups, .method = method, .cancel = cancel};
  request.seed = peek([](const AppState& state) { return state.settings.sampling.seed; });
  if (!is_instant_method(method)) request.progress = progress(fmt::format("merging by {}", method));
  return make_grouping(*opened_, request);
}

void Engine::regroup(const std::vector<std::uint32_t>& groups, const std::string& method) {
  const RegroupMode mode = peek([](const AppState& state) { return state.settings.mode; });
  const Phase before = peek([](const AppState& state) { return state.phase; });
  std::unique_ptr<Grouping> next;
  try {
    if (!is_instant_method(method)) {
      begin_merging();
      publish([](AppState& state) { state.phase = Phase::kMerging; });
    }
    next = merge_heads(groups, method, &cancel_);
    end_merging();
  } catch (const Error& error) {
    const bool outdated = end_merging();
    publish([&](AppState& state) {
      state.phase = before;
      state.activity.clear();
    });
    if (error.code() != ErrorCode::kInterrupted) throw;
    // The run goes on as it was; who stopped that too has a command of his own in the queue.
    if (!outdated) say(fmt::format("Merging by {} was stopped; nothing has changed.", method));
    return;
  }
  publish([&](AppState& state) {
    state.activity.clear();
    state.phase = mode == RegroupMode::kReprefill && state.position() > 0 ? Phase::kPrefilling : before;
  });
  decoding_->regroup(std::move(next), method, mode, &cancel_);
  next_similarity_ = 0;  // other heads are merged now
  publish([&](AppState& state) { state.phase = before; });
}

void Engine::handle(const SetGroups& command) {
  if (!decoding_) return;
  const auto in_force = peek([](const AppState& state) { return state.settings.groups; });
  if (GroupPlan::contiguous(opened_->config(), command.groups, PoolMethod::kMean).groups() == in_force) return;
  regroup(command.groups, peek([](const AppState& state) { return state.settings.method; }));
}

void Engine::handle(const SetMethod& command) {
  const auto methods = peek([](const AppState& state) { return state.settings.methods; });
  if (std::find(methods.begin(), methods.end(), command.method) == methods.end()) {
    throw_error(ErrorCode::kUsage, "'{}' is no merge method that this model can be regrouped by; known are {}",
                escaped(command.method), fmt::join(methods, ", "));
  }
  if (command.method == peek([](const AppState& state) { return state.settings.method; })) return;
  if (decoding_) regroup(peek([](const AppState& state) { return state.settings.groups; }), command.method);
}

void Engine::handle(const SetRegroupMode& command) {
  publish([&](AppState& state) { state.settings.mode = command.mode; });
}

void Engine::handle(const SetCache& command) {
  if (opened_) check_cache_type(opened_->config(), command.type);
  const auto before = peek([](const AppState& state) { return state.settings; });
  publish([&](AppState& state) {
    state.settings.cache_type = command.type;
    if (command.positions > 0) state.settings.positions = command.positions;
  });
  if (!opened_) return;
  const bool was_running = std::exchange(running_, false);
  const std::size_t tokens = peek([](const AppState& state) { return state.trace.tokens.size(); });
  // Where there was no memory for a run, another cache may fit.
  std::unique_ptr<Grouping> grouping =
      decoding_ ? decoding_->take_grouping() : merge_heads(before.groups, before.method);
  decoding_.reset();
  try {
    decoding_ = std::make_unique<Decoding>(*opened_, std::move(grouping), shared_);
  } catch (const Error&) {
    publish([&](AppState& state) { state.settings = before; });
    decoding_ = std::make_unique<Decoding>(*opened_, merge_heads(before.groups, before.method), shared_);
    decoding_->keep(tokens);
    running_ = was_running;
    throw;
  }
  decoding_->keep(std::min<std::size_t>(tokens, decoding_->positions()));
  running_ = was_running;
}

void Engine::handle(const SetQuality& command) {
  publish([&](AppState& state) { state.settings.quality = command.on; });
}

void Engine::handle(const SetFingerprints& command) {
  publish([&](AppState& state) { state.settings.fingerprints = command.on; });
  if (decoding_) {
    decoding_->watch(peek([](const AppState& state) { return state.settings.attention_layer; }), command.on, &cancel_);
  }
}

void Engine::handle(const WatchAttention& command) {
  if (command.layer && (!opened_ || *command.layer >= opened_->config().layer_count())) return;
  publish([&](AppState& state) { state.settings.attention_layer = command.layer; });
  if (decoding_) {
    decoding_->watch(command.layer, peek([](const AppState& state) { return state.settings.fingerprints; }), &cancel_);
  }
}

void Engine::handle(const SaveTrace& command) {
  const std::string text = peek([](const AppState& state) { return trace_to_json(state.trace); });
  replace_file(command.path, text);
  say(fmt::format("The run was saved as {}.", command.path.string()));
}

void Engine::handle(const CloseComparison&) {
  publish([](AppState& state) { state.other.reset(); });
}

void Engine::handle(const LoseDevice&) {
  throw_error(ErrorCode::kDeviceLost, "the device was lost (as a test asked for)");
}

// Every G in turn on a session of its own, at the depth that the run has reached; the run waits.
void Engine::sweep(std::uint32_t runs) {
  const std::uint32_t positions = decoding().positions();
  constexpr std::uint32_t kTokensPerRun = 4, kLeastDepth = 32;
  const auto settings = peek([](const AppState& state) { return state.settings; });
  const Phase before = peek([](const AppState& state) { return state.phase; });
  const std::uint32_t depth =
      std::min(std::max(peek([](const AppState& state) { return state.position(); }), kLeastDepth),
               positions - 2 * kTokensPerRun);
  const auto report = progress("measuring every G");
  publish([](AppState& state) {
    state.phase = Phase::kMeasuring;
    state.trace.sweep.clear();
  });
  const double bandwidth = copy_bandwidth(*device_, 16u << 20);
  publish([&](AppState& state) { state.trace.bytes_per_second = state.device.bytes_per_second = bandwidth; });
  for (std::size_t i = 0; i < settings.choices.size(); ++i) {
    const std::uint32_t g = settings.choices[i];
    // A method that takes its time changes what the model says, hardly how fast it says it.
    const std::string method = is_instant_method(settings.method) ? settings.method : "mean";
    const auto grouping = make_grouping(*opened_, {.groups = {g}, .method = method, .seed = settings.sampling.seed});
    Session session(*opened_->model, *grouping,
                    {.context = depth + 2 * kTokensPerRun, .cache_type = settings.cache_type});
    fill_to_depth(session, depth, &cancel_);
    time_decode(session, depth, kTokensPerRun, &cancel_);  // records, compiles, warms up
    std::vector<double> ms;
    for (std::uint32_t r = 0; r < runs; ++r) {
      ms.push_back(1000.0 * time_decode(session, depth, kTokensPerRun, &cancel_) / kTokensPerRun);
      report({}, (static_cast<double>(i) + static_cast<double>(r + 1) / runs) /
                     static_cast<double>(settings.choices.size()));
    }
    const Summary summary = summarise(ms);
    const std::uint64_t per_token =
        kv_bytes_per_token(opened_->config(), grouping->plan().groups(), settings.cache_type);
    publish([&](AppState& state) {
      state.trace.sweep.push_back({.groups = g,
                                   .depth = depth,
                                   .mean_ms = summary.mean,
                                   .deviation_ms = summary.deviation,
                                   .runs = runs,
                                   .kv_bytes_per_token = per_token});
    });
  }
  publish([&](AppState& state) {
    state.phase = before;
    state.activity.clear();
  });
}

}  // namespace regroup::view
