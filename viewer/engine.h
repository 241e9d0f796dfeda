// The engine's thread: opens models, decodes, regroups and measures as commands ask, and publishes what happened. The
// window never waits for it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "runtime/core/progress.h"
#include "runtime/gpu/device.h"
#include "viewer/app_state.h"
#include "viewer/decoding.h"
#include "viewer/opened_model.h"
#include "viewer/user_command.h"

namespace regroup::view {

class Engine {
 public:
  // `wake` is called from the engine's thread after every change that a window should show; tune: see open_model.
  Engine(SharedState& shared, bool tune, std::function<void()> wake);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void post(EngineCommand command);
  // Nothing is waiting, running or being computed.
  bool idle() const;

  // Gives the engine its device, or takes it away: detach() returns when no object of the device is left. A later
  // attach() opens the model again and goes on at the same token.
  void attach(Device& device);
  void detach();

 private:
  void work();
  void run_command(const EngineCommand& command);
  // Failures are shown. A step that fails ends the run; a command that fails leaves the run as it was.
  enum class Failing { kStep, kCommand };
  void guarded(Failing failing, const std::function<void()>& what);
  // Where nothing is under way any more: the phase follows from the run.
  void settle();
  void lose_device();
  void restore();
  void decode_one();
  void finish_run(const std::string& why);
  void similar_heads_of_next_layer();

  void open(const std::string& model);
  void start_session();
  // For commands that need it. Throws kUsage while no model is open, kOutOfMemory where there was none left for a run.
  Decoding& decoding() const;
  void sweep(std::uint32_t runs);
  void regroup(const std::vector<std::uint32_t>& groups, const std::string& method);
  // Merges heads as asked for, with progress.
  std::unique_ptr<Grouping> merge_heads(const std::vector<std::uint32_t>& groups, const std::string& method,
                                        const CancelFlag* cancel = nullptr);
  // Between them another choice of G or method cancels what is under way; `end` says whether there was one.
  void begin_merging();
  bool end_merging();
  void forget_wanted();
  void handle(const OpenModel& command) { open(command.model); }
  void handle(const OpenTrace& command);
  void handle(const SetPrompt& command);
  void handle(const Run& command);
  void handle(const Say& command);
  void handle(const Pause& command);
  void handle(const StepBack& command);
  void handle(const Stop& command);
  void handle(const Reset& command);
  void handle(const Rewind& command);
  void handle(const SetSampling& command);
  void handle(const SetGroups& command);
  void handle(const SetMethod& command);
  void handle(const SetRegroupMode& command);
  void handle(const SetCache& command);
  void handle(const SetQuality& command);
  void handle(const SetFingerprints& command);
  void handle(const WatchAttention& command);
  void handle(const MeasureAllGroups& command) { sweep(command.runs); }
  void handle(const SaveTrace& command);
  void handle(const CloseComparison& command);
  void handle(const LoseDevice& command);

  // Under the lock of the shared state.
  template <typename Change>
  void publish(Change change) {
    {
      const std::lock_guard lock(shared_.mutex);
      change(shared_.state);
    }
    wake_();
  }
  template <typename Read>
  auto peek(Read read) const {
    const std::lock_guard lock(shared_.mutex);
    return read(shared_.state);
  }
  void say(std::string message, std::optional<ErrorCode> failure = std::nullopt);
  void say(const Error& error) { say(error.what(), error.code()); }
  Progress progress(std::string activity);

  SharedState& shared_;
  const bool tune_;
  std::function<void()> wake_;

  mutable std::mutex mutex_;  // of what follows, up to the thread's own
  std::condition_variable changed_;
  std::deque<EngineCommand> queue_;
  Device* device_ = nullptr;
  bool detach_asked_ = false;
  bool attached_ = false;
  bool busy_ = false;
  bool merging_ = false;  // heads are being merged: another choice of G or method makes that pointless
  bool ending_ = false;
  CancelFlag cancel_{false};

  // Of the engine's thread.
  std::unique_ptr<OpenedModel> opened_;
  std::unique_ptr<Decoding> decoding_;
  bool running_ = false;
  bool has_freed_ = false;         // memory that was not given back yet
  std::uint32_t tokens_left_ = 0;  // 0: no end
  std::uint32_t next_similarity_ = 0;
  std::string reopen_;  // the model to open again after a lost device; empty: none was open
  bool reopen_running_ = false;
  std::thread thread_;
};

}  // namespace regroup::view
