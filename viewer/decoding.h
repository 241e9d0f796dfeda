// One run of the open model: feeds tokens, records what they showed in the trace, changes the grouping on the way.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/decode/session.h"
#include "runtime/model/grouping.h"
#include "runtime/text/stream_decoder.h"
#include "viewer/app_state.h"
#include "viewer/opened_model.h"

namespace regroup::view {

// Used by the engine's thread only; publishes into the shared state under its lock.
class Decoding {
 public:
  // Takes settings (method, cache, sampling) from the shared state. Throws kOutOfMemory, kUsage.
  Decoding(const OpenedModel& opened, std::unique_ptr<Grouping> grouping, SharedState& shared);

  // The trace begins anew with the prompt's tokens; nothing is computed yet. Throws kUsage for an empty prompt.
  void begin(const std::string& prompt, bool chat);
  // In a conversation: what the user says next, behind the answer so far. Throws kUsage when it does not fit.
  void say(const std::string& message);
  // The next token. Why there will be none after it, or nothing. Throws what Session throws; then nothing has changed.
  std::optional<std::string> step(const CancelFlag* cancel);
  // Keeps the first `count` tokens of the trace.
  void keep(std::size_t count);
  // Keeps `token` tokens and puts `id` behind them.
  void replace(std::size_t token, std::uint32_t id);

  void set_sampling(const SamplingSettings& settings) { session_->set_sampling(settings); }
  // Goes on with another grouping, made by `method`. When it throws, the old one stays.
  void regroup(std::unique_ptr<Grouping> next, const std::string& method, RegroupMode mode, const CancelFlag* cancel);
  // What is looked at beside the tokens; recomputes what was fed already where that gives the same.
  void watch(std::optional<std::uint32_t> layer, bool fingerprints, const CancelFlag* cancel);

  std::uint32_t positions() const { return session_->context(); }
  // Ends this decoding and hands out its grouping, for the next one.
  std::unique_ptr<Grouping> take_grouping();
  void publish_memory();

 private:
  void feed_again(const CancelFlag* cancel);
  void publish_grouping();
  void remember(const ObservedStep& step);
  std::optional<TraceQuality> quality(const std::vector<float>& logits, const CancelFlag* cancel);
  // Everything about the token that the step which has just run chose, but for its times.
  TraceToken describe_step(std::uint32_t id, const CancelFlag* cancel);
  TraceToken describe(std::uint32_t id, const std::vector<float>& logits);
  // By name; the token gets its split.
  std::map<std::string, KernelTime> time_kernels(TraceToken& token) const;
  std::string text_of(std::uint32_t id);
  std::vector<std::uint32_t> ids() const;
  std::vector<TraceToken> prompt_tokens(const std::vector<std::uint32_t>& ids);

  const OpenedModel& opened_;
  SharedState& shared_;
  std::unique_ptr<Grouping> grouping_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Grouping> own_heads_;  // of the checkpoint, for the shadow
  std::unique_ptr<Session> shadow_;
  std::optional<StreamDecoder> text_;
  bool pending_is_last_ = false;                // the session would feed the trace's last token by itself
  bool cache_is_exact_ = true;                  // feeding the tokens again would give the same cache
  std::vector<TraceFingerprint> fingerprints_;  // of the step that has just run
};

}  // namespace regroup::view
