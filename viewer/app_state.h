// What panels read: the trace of the run and the little that is true only while the program runs. Written by the
// engine's thread under the lock, read by the window under the same lock.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "converter/head_similarity.h"
#include "runtime/core/error.h"
#include "runtime/decode/session.h"
#include "runtime/decode/trace.h"
#include "runtime/ops/sampling.h"
#include "runtime/text/chat_template.h"

namespace regroup::view {

enum class Phase {
  kEmpty,       // nothing was opened yet, or it failed
  kLoading,     // a model is being read
  kReady,       // a model, no run
  kPrefilling,  // the prompt is being computed, or the cache again after a change of G
  kRunning,
  kPaused,
  kFinished,   // end of text, the number of tokens that was asked for, or a full context
  kMerging,    // heads are being merged by a method that takes time; the run waits
  kMeasuring,  // the sweep over G
  kReplay,     // a trace without a model
  kLost,       // the device was lost and is being rebuilt
};

struct AttentionRow {
  std::uint32_t position = 0;
  std::vector<float> weights;  // [H][position + 1]
};

struct MemoryFacts {
  std::uint64_t kv_allocated = 0;  // of the session, exactly
  std::uint64_t kv_predicted = 0;  // for this G and context, before anything was allocated
  std::uint64_t kv_per_token = 0;
  std::uint64_t mha_per_token = 0;  // if every query head had its own K and V
  std::vector<std::uint64_t> layer_per_token;
  std::vector<std::uint64_t> mha_layer_per_token;
  std::uint64_t weights = 0, grouping = 0, scratch = 0;
  std::uint64_t free = 0;  // of the device
  std::uint64_t longest_context = 0;
};

struct DeviceFacts {
  std::string name, driver, type, kernels;
  std::uint64_t memory_bytes = 0, allocated_bytes = 0;
  std::vector<std::pair<std::string, bool>> features;  // name, in use
  std::vector<std::pair<std::string, std::string>> limits;
  double bytes_per_second = 0;
  bool timestamps = false;
  std::uint32_t rebuilt = 0;  // times that the device was lost
};

struct KernelTime {
  std::string name;
  std::uint32_t dispatches = 0;
  double ms = 0;  // of the last token
};

struct RunSettings {
  std::string prompt = "The little girl opened the door";
  bool chat = false;
  bool can_chat = false;
  SamplingSettings sampling{.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f};
  std::vector<std::uint32_t> groups;   // one per layer, in force
  std::vector<std::uint32_t> choices;  // positions of the knob, descending
  std::vector<std::string> methods;    // that can be used live
  std::string method = "mean";
  RegroupMode mode = RegroupMode::kReprefill;
  CacheType cache_type = CacheType::kF16;
  std::uint32_t positions = 0;  // asked for
  bool quality = true;
  bool fingerprints = false;
  std::optional<std::uint32_t> attention_layer;
};

// What was asked for and is not in force yet: shown at once, so that a key never seems to do nothing.
struct Wanted {
  std::vector<std::uint32_t> groups;  // empty: nothing was asked for
  std::string method;
  std::optional<bool> running;
};

struct AppState {
  Phase phase = Phase::kEmpty;
  std::string activity;  // "loading smollm2-135m"; empty: nothing takes long
  double progress = 0;
  std::string message;               // the last failure, or what was done
  std::optional<ErrorCode> failure;  // what kind of failure `message` tells of; nothing: what was done
  std::string finished_because;

  RunSettings settings;
  Wanted wanted;
  MemoryFacts memory;
  DeviceFacts device;
  std::vector<KernelTime> kernel_times;
  std::vector<HeadSimilarity> heads;    // by layer, of the groups in force
  std::vector<AttentionRow> attention;  // of settings.attention_layer
  std::vector<std::string> warnings;    // of the tokenizer, the driver, the validation layers

  Trace trace;
  std::vector<ChatMessage> conversation;  // what was said before the answer that is being written; empty: plain text
  std::uint64_t tokens_version = 0;       // raised whenever tokens change other than by appending
  std::optional<Trace> other;             // the run that is compared with
  std::string other_name;
  TraceDifference difference;

  std::uint32_t position() const {  // cached positions
    return trace.tokens.empty() ? 0 : static_cast<std::uint32_t>(trace.tokens.size() - 1);
  }
};

struct SharedState {
  std::mutex mutex;
  AppState state;
};

}  // namespace regroup::view
