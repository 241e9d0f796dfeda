// Writes down a run while it goes: ids, best alternatives and fingerprints of every layer.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "runtime/decode/session.h"
#include "runtime/decode/trace.h"
#include "runtime/model/model.h"
#include "runtime/text/tokenizer.h"

namespace regroup {

TraceModel trace_model(const std::filesystem::path& file, const ModelOutline& outline, std::uint64_t weights_bytes);
TraceGrouping trace_grouping(const Session& session, std::string method);
// Cache bytes of one position, layer by layer.
std::vector<std::uint64_t> bytes_per_layer(const ModelConfig& config, const std::vector<std::uint32_t>& groups,
                                           CacheType type);

class TraceRecorder {
 public:
  // `tokenizer` may be null: texts are then ids in brackets.
  TraceRecorder(const Tokenizer* tokenizer, std::span<const std::uint32_t> prompt);

  // What every session of the run is to be given before its first step; this must outlive it.
  StepObserver observer();
  // The token that `session` has just chosen, in a step of `ms`.
  void take(const Session& session, const DecodedToken& chosen, double ms);

  Trace& trace() { return trace_; }

 private:
  std::string text_of(std::uint32_t id) const;

  const Tokenizer* tokenizer_;
  Trace trace_;
  std::vector<TraceFingerprint> layers_;  // of the step that ran last
};

}  // namespace regroup
