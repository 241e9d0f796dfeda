#include "viewer/engine.h"

#include <algorithm>
#include <fstream>
#include <new>
#include <sstream>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/model/architecture.h"
#include "runtime/model/finite_weights.h"
#include "viewer/background.h"
#include "viewer/host_memory.h"
#include "viewer/live_grouping.h"

namespace regroup::view {
namespace {

// What is under way gives way to these; everything else waits its turn.
bool cancels(const EngineCommand& command) {
  return std::holds_alternative<Stop>(command) || std::holds_alternative<OpenModel>(command) ||
         std::holds_alternative<Reset>(command);
}

// Puts an end to the merging of heads, if that is what is under way.
bool outdates_merging(const EngineCommand& command) {
  return std::holds_alternative<SetGroups>(command) || std::holds_alternative<SetMethod>(command);
}

// `error`, or where that comes of weights that are no numbers, which of them.
Error cause_of(const Error& error, const ModelFile& file, const CancelFlag& cancel) {
  try {
    return blaming_weights(file, &cancel, [&]() -> Error { throw error; });
  } catch (const Error& cause) {
    return cause.code() == ErrorCode::kInterrupted ? error : cause;
  }
}

}  // namespace

Engine::Engine(SharedState& shared, bool tune, std::function<void()> wake)
    : shared_(shared), tune_(tune), wake_(std::move(wake)), thread_([this] { work(); }) {}

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    cancel_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Engine::post(EngineCommand command) {
  {
    const std::lock_guard lock(shared_.mutex);
    Wanted& wanted = shared_.state.wanted;
    if (const auto* groups = std::get_if<SetGroups>(&command)) wanted.groups = groups->groups;
    if (const auto* method = std::get_if<SetMethod>(&command)) wanted.method = method->method;
    if (std::holds_alternative<Run>(command) || std::holds_alternative<Say>(command)) wanted.running = true;
    if (std::holds_alternative<Pause>(command) || std::holds_alternative<Stop>(command)) wanted.running = false;
  }
  {
    const std::lock_guard lock(mutex_);
    if (cancels(command) || (merging_ && outdates_merging(command))) cancel_ = true;
    // Of a knob that is turned faster than the model regroups only the last position counts.
    if (!queue_.empty() && std::holds_alternative<SetGroups>(command) &&
        std::holds_alternative<SetGroups>(queue_.back())) {
      queue_.pop_back();
    }
    queue_.push_back(std::move(command));
  }
  changed_.notify_all();
}

bool Engine::idle() const {
  const std::lock_guard lock(mutex_);
  return queue_.empty() && !busy_;
}

void Engine::attach(Device& device) {
  {
    const std::lock_guard lock(mutex_);
    device_ = &device;
    detach_asked_ = false;
    busy_ = true;  // until the thread has looked
  }
  changed_.notify_all();
}

void Engine::detach() {
  std::unique_lock lock(mutex_);
  if (!attached_) {  // the engine has let go of it by itself
    device_ = nullptr;
    return;
  }
  detach_asked_ = true;
  cancel_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return !attached_; });
  device_ = nullptr;
}

void Engine::work() {
  give_way();
  std::unique_lock lock(mutex_);
  while (true) {
    const auto has_work = [&] {
      return ending_ || detach_asked_ || (device_ != nullptr && !attached_) ||
             (attached_ &&
              (!queue_.empty() || running_ || (opened_ && next_similarity_ < opened_->config().layer_count())));
    };
    if (!has_work() && std::exchange(has_freed_, false)) {
      lock.unlock();
      give_back_now();
      lock.lock();
      continue;
    }
    busy_ = has_work() && !ending_;
    changed_.wait(lock, has_work);
    if (ending_) break;
    busy_ = true;
    if (detach_asked_) {
      lock.unlock();
      lose_device();
      lock.lock();
      attached_ = false;
      device_ = nullptr;
      detach_asked_ = false;
      changed_.notify_all();
      continue;
    }
    if (!attached_) {
      attached_ = true;
      cancel_ = false;
      lock.unlock();
      guarded(Failing::kCommand, [&] { restore(); });
      has_freed_ = true;
      lock.lock();
      continue;
    }
    if (!queue_.empty()) {
      const EngineCommand command = std::move(queue_.front());
      queue_.pop_front();
      cancel_ = std::any_of(queue_.begin(), queue_.end(), cancels);
      lock.unlock();
      run_command(command);
      forget_wanted();
      has_freed_ = true;
      lock.lock();
      continue;
    }
    lock.unlock();
    if (running_) {
      guarded(Failing::kStep, [&] { decode_one(); });
    } else {
      similar_heads_of_next_layer();
    }
    lock.lock();
  }
  lock.unlock();
  decoding_.reset();
  opened_.reset();
}

void Engine::guarded(Failing failing, const std::function<void()>& what) {
  try {
    what();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kDeviceLost) {
      lose_device();
      publish([&](AppState& state) {
        state.phase = Phase::kLost;
        state.message = error.what();
        state.failure = error.code();
      });
      const std::lock_guard lock(mutex_);
      attached_ = false;
      device_ = nullptr;  // until attach()
      return;
    }
    // Whatever interrupts has a command in the queue, or takes the device away: that decides on the run.
    if (error.code() != ErrorCode::kInterrupted) {
      if (failing == Failing::kStep) running_ = false;
      say(opened_ ? cause_of(error, opened_->file, cancel_) : error);
    }
    settle();
  } catch (const std::bad_alloc&) {
    if (failing == Failing::kStep) running_ = false;
    say("out of host memory", ErrorCode::kOutOfMemory);
    settle();
  } catch (const std::exception& error) {
    if (failing == Failing::kStep) running_ = false;
    say(fmt::format("internal error: {}; please report it", error.what()), ErrorCode::kFailed);
    settle();
  }
}

void Engine::settle() {
  publish([&](AppState& state) {
    state.activity.clear();
    if (state.phase == Phase::kReplay) return;
    if (!opened_) {
      state.phase = Phase::kEmpty;
    } else if (running_) {
      state.phase = Phase::kRunning;
    } else if (state.trace.tokens.empty()) {
      state.phase = Phase::kReady;
    } else {
      state.phase = state.finished_because.empty() ? Phase::kPaused : Phase::kFinished;
    }
  });
}

void Engine::say(std::string message, std::optional<ErrorCode> failure) {
  publish([&](AppState& state) {
    state.message = std::move(message);
    state.failure = failure;
  });
}

Progress Engine::progress(std::string activity) {
  return [this, activity = std::move(activity)](std::string_view, double fraction) {
    publish([&](AppState& state) {
      state.activity = activity;
      state.progress = fraction;
    });
  };
}

void Engine::run_command(const EngineCommand& command) {
  guarded(Failing::kCommand, [&] { std::visit([&](const auto& alternative) { handle(alternative); }, command); });
}

void Engine::begin_merging() {
  const std::lock_guard lock(mutex_);
  merging_ = true;
  if (std::any_of(queue_.begin(), queue_.end(), outdates_merging)) cancel_ = true;
}

bool Engine::end_merging() {
  const std::lock_guard lock(mutex_);
  merging_ = false;
  return std::any_of(queue_.begin(), queue_.end(), outdates_merging);
}

// What was wanted has happened or failed, unless more of it waits in the queue.
void Engine::forget_wanted() {
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    more = !queue_.empty();
  }
  if (!more) publish([](AppState& state) { state.wanted = {}; });
}

void Engine::lose_device() {
  if (opened_) {
    reopen_ = opened_->file.path().string();
    reopen_running_ = running_;
  }
  running_ = false;
  decoding_.reset();
  opened_.reset();
}

// The trace knows everything that the run was: the model is opened again, its tokens are fed again by the next step.
void Engine::restore() {
  if (reopen_.empty()) {
    publish([](AppState& state) {
      if (state.phase == Phase::kLoading) state.phase = Phase::kEmpty;
    });
    return;
  }
  const bool replay = peek([](const AppState& state) { return state.phase == Phase::kReplay; });
  const CacheType type = peek([](const AppState& state) { return state.settings.cache_type; });
  opened_ = open_model(*device_, reopen_, type, tune_, progress("opening the model again"), &cancel_);
  if (!replay) {
    const auto [groups, method] =
        peek([](const AppState& state) { return std::pair(state.settings.groups, state.settings.method); });
    decoding_ = std::make_unique<Decoding>(*opened_, merge_heads(groups, method), shared_);
    decoding_->keep(peek([](const AppState& state) { return state.trace.tokens.size(); }));
  }
  running_ = std::exchange(reopen_running_, false);
  publish([&](AppState& state) {
    const std::uint32_t rebuilt = state.device.rebuilt + 1;
    state.device = describe_device(*device_, opened_->profile);
    state.device.rebuilt = rebuilt;
    state.activity.clear();
    state.message =
        fmt::format("The device was lost and has been opened again; going on at token {}.", state.trace.tokens.size());
    state.failure.reset();
    if (!replay) {
      state.phase = running_ ? Phase::kRunning : state.trace.tokens.empty() ? Phase::kReady : Phase::kPaused;
    }
  });
}

void Engine::open(const std::string& name) {
  const Phase before = peek([](const AppState& state) { return state.phase; });
  publish([&](AppState& state) {
    state.phase = Phase::kLoading;
    state.activity = name.empty() ? "loading the bundled model" : fmt::format("loading {}", escaped(name));
    state.progress = 0;
  });
  const CacheType type = peek([](const AppState& state) { return state.settings.cache_type; });
  std::unique_ptr<OpenedModel> opened;
  try {
    opened = open_model(*device_, name, type, tune_,
                        progress(name.empty() ? "loading the bundled model" : fmt::format("loading {}", escaped(name))),
                        &cancel_);
  } catch (...) {
    // What was open before stays as it was.
    publish([&](AppState& state) { state.phase = before; });
    throw;
  }
  running_ = false;
  decoding_.reset();
  opened_ = std::move(opened);
  reopen_.clear();
  publish([&](AppState& state) {
    const std::uint32_t rebuilt = state.device.rebuilt;
    const double bandwidth = state.device.bytes_per_second;
    state.trace = Trace{.model = describe_model(*opened_),
                        .device = device_->info().name,
                        .driver = device_->info().driver,
                        .kernels = std::string(opened_->profile.name),
                        .bytes_per_second = bandwidth};
    ++state.tokens_version;
    state.device = describe_device(*device_, opened_->profile);
    state.device.rebuilt = rebuilt;
    state.device.bytes_per_second = bandwidth;
    state.kernel_times.clear();
    state.heads.clear();
    state.attention.clear();
    state.conversation.clear();
    state.other.reset();
    RunSettings& settings = state.settings;
    settings.groups.clear();
    for (const LayerConfig& layer : opened_->config().layers) settings.groups.push_back(layer.kv_heads);
    settings.choices = possible_groups(opened_->config());
    settings.methods = live_methods(*opened_);
    if (std::find(settings.methods.begin(), settings.methods.end(), settings.method) == settings.methods.end()) {
      settings.method = settings.methods.front();
    }
    settings.positions = opened_->default_positions();
    settings.can_chat = opened_->tokenizer && !opened_->tokenizer->chat_template().empty();
    settings.chat = settings.chat && settings.can_chat;
    if (settings.attention_layer && *settings.attention_layer >= opened_->config().layer_count()) {
      settings.attention_layer = 0;
    }
    state.warnings = opened_->remarks;
    if (opened_->tokenizer && !opened_->tokenizer->warning().empty())
      state.warnings.push_back(opened_->tokenizer->warning());
  });
  next_similarity_ = 0;
  start_session();
}

void Engine::start_session() {
  decoding_.reset();
  const auto [groups, method] =
      peek([](const AppState& state) { return std::pair(state.settings.groups, state.settings.method); });
  decoding_ = std::make_unique<Decoding>(*opened_, merge_heads(groups, method), shared_);
  publish([&](AppState& state) {
    state.activity.clear();
    state.phase = Phase::kReady;
    state.finished_because.clear();
  });
}

void Engine::decode_one() {
  const std::size_t fed = peek([](const AppState& state) { return state.trace.tokens.size(); });
  const bool prefill =
      decoding_ != nullptr && fed > 0 && peek([](const AppState& state) { return state.trace.tokens.back().prompt; });
  publish([&](AppState& state) { state.phase = prefill ? Phase::kPrefilling : Phase::kRunning; });
  const auto ended = decoding_->step(&cancel_);
  publish([&](AppState& state) {
    state.phase = Phase::kRunning;
    state.finished_because.clear();
  });
  if (ended) return finish_run(*ended);
  if (tokens_left_ > 0 && --tokens_left_ == 0) finish_run({});
}

void Engine::finish_run(const std::string& why) {
  running_ = false;
  decoding_->publish_memory();
  publish([&](AppState& state) {
    state.phase = why.empty() ? Phase::kPaused : Phase::kFinished;
    state.finished_because = why;
  });
}

void Engine::similar_heads_of_next_layer() {
  guarded(Failing::kCommand, [&] {
    const ModelConfig& config = opened_->config();
    const std::uint32_t layer = next_similarity_++;
    const TensorTable table(opened_->file, opened_->outline.architecture->tensor_names(), config.layer_count());
    const std::uint32_t groups = peek([&](const AppState& state) { return state.settings.groups[layer]; });
    HeadSimilarity heads = similar_heads(table, config, layer, groups);
    publish([&](AppState& state) {
      if (layer >= state.heads.size()) state.heads.resize(layer + 1);
      state.heads[layer] = std::move(heads);
    });
  });
}

}  // namespace regroup::view
