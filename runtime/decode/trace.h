// What a run showed, token by token: everything that somebody who looks on may see. Plain data, independent of any
// device; written and read as JSON, so that a run can be replayed without its model and compared with another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/gpu/command_list.h"
#include "runtime/ops/sampling.h"

namespace regroup {

struct TraceAlternative {
  std::uint32_t id = 0;
  float probability = 0;  // at temperature 1, among all tokens
  std::string text;
};

// Device time of one decoding step by what was computed. All zero where the queue has no timestamps.
struct TraceSplit {
  double attention_ms = 0;
  double products_ms = 0;
  double rest_ms = 0;
  double total_ms() const { return attention_ms + products_ms + rest_ms; }
};
TraceSplit split_timings(const std::vector<DispatchTiming>& timings);

// How far the grouped model's next-token distribution is from the ungrouped one's on the same text.
struct TraceQuality {
  double kl = 0;  // KL(ungrouped || grouped), nats
  bool same_top = true;
};

// Of one layer at one token: enough to say whether two runs computed the same.
struct TraceFingerprint {
  float norm = 0;        // of the residual stream behind the layer
  float projection = 0;  // on a fixed pattern of signs
};
TraceFingerprint fingerprint(const float* residual, std::size_t count);

struct TraceToken {
  std::uint32_t id = 0;
  std::string text;  // its bytes, invalid UTF-8 replaced
  bool prompt = false;
  float probability = 0;                       // 0 for tokens of the prompt
  std::vector<TraceAlternative> alternatives;  // most probable first; empty for tokens of the prompt
  double ms = 0;                               // wall time of the step that chose it
  TraceSplit split;
  std::uint32_t grouping = 0;  // index into Trace::groupings: what was in force when it was chosen
  std::optional<TraceQuality> quality;
  std::vector<TraceFingerprint> layers;  // of the step that chose it; empty unless recorded
};

// A choice of groups and what its cache takes. bytes of a layer = layer_bytes_per_token * positions.
struct TraceGrouping {
  std::vector<std::uint32_t> groups;  // one per layer
  std::string method;                 // "none" for the checkpoint's own heads
  std::uint64_t kv_bytes_per_token = 0;
  std::vector<std::uint64_t> layer_bytes_per_token;
  std::uint64_t kv_bytes = 0;  // allocated: kv_bytes_per_token * positions
};

struct TraceModel {
  std::string name, path, architecture;
  std::uint32_t layers = 0, query_heads = 0, head_dim = 0, vocabulary = 0, hidden = 0;
  std::vector<std::uint32_t> kv_heads;  // of the checkpoint, one per layer
  std::uint64_t parameters = 0, weights_bytes = 0;
};

struct TraceSweepPoint {
  std::uint32_t groups = 0;
  std::uint32_t depth = 0;  // cached positions in front
  double mean_ms = 0, deviation_ms = 0;
  std::uint32_t runs = 0;
  std::uint64_t kv_bytes_per_token = 0;
};

struct Trace {
  TraceModel model;
  std::string device, driver, kernels;
  std::string cache_type;
  std::uint32_t positions = 0;  // allocated
  double prefill_ms = 0;
  double bytes_per_second = 0;               // the device's measured copy bandwidth; 0: not measured
  std::optional<SamplingSettings> sampling;  // how every token was chosen; nothing where somebody chose on the way
  std::vector<TraceGrouping> groupings;
  std::vector<TraceToken> tokens;
  std::vector<TraceSweepPoint> sweep;

  std::size_t prompt_tokens() const;
};

// One JSON document with a schema field.
std::string trace_to_json(const Trace& trace);
// Throws kBadModel naming `file` and the field that is missing, wrong, or points outside the trace.
Trace trace_from_json(std::string_view text, const std::string& file);

// Where two traces part.
struct TraceDifference {
  std::optional<std::size_t> first_token;    // where the ids differ, or one trace ends
  std::optional<std::size_t> layer_token;    // the first token with a layer that differs ...
  std::optional<std::uint32_t> first_layer;  // ... and the first such layer
  std::size_t compared_tokens = 0;
  std::size_t compared_layers = 0;  // fingerprints that both traces have
  std::string describe() const;     // one sentence
};
// Fingerprints count as equal within `tolerance` of the larger one's norm.
TraceDifference compare_traces(const Trace& a, const Trace& b, double tolerance = 1e-3);

// Most probable first, at most `count`; probabilities at temperature 1 among all logits. Texts are left empty.
std::vector<TraceAlternative> best_alternatives(const std::vector<float>& logits, std::size_t count);
// Of token `id`, at temperature 1 among all logits.
float probability_of(const std::vector<float>& logits, std::uint32_t id);
// KL(softmax(reference) || softmax(logits)) and whether both have the same largest logit.
TraceQuality compare_logits(const std::vector<float>& reference, const std::vector<float>& logits);

}  // namespace regroup
