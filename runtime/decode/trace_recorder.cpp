#include "runtime/decode/trace_recorder.h"

#include <fmt/format.h>

#include "runtime/model/kv_cache.h"

namespace regroup {
namespace {

constexpr std::size_t kAlternatives = 5;

}  // namespace

TraceModel trace_model(const std::filesystem::path& file, const ModelOutline& outline, std::uint64_t weights_bytes) {
  const ModelConfig& config = outline.config;
  TraceModel model{.name = config.name.empty() ? file.stem().string() : config.name,
                   .path = file.string(),
                   .architecture = config.architecture,
                   .layers = config.layer_count(),
                   .query_heads = config.query_heads,
                   .head_dim = config.head_dim,
                   .vocabulary = config.vocabulary,
                   .hidden = config.hidden,
                   .parameters = outline.parameters,
                   .weights_bytes = weights_bytes};
  for (const LayerConfig& layer : config.layers) model.kv_heads.push_back(layer.kv_heads);
  return model;
}

TraceGrouping trace_grouping(const Session& session, std::string method) {
  const ModelConfig& config = session.model().config();
  const CacheType type = session.cache().type();
  const std::vector<std::uint32_t> groups = session.grouping().plan().groups();
  return {.groups = groups,
          .method = session.grouping().is_identity() ? "none" : std::move(method),
          .kv_bytes_per_token = kv_bytes_per_token(config, groups, type),
          .layer_bytes_per_token = bytes_per_layer(config, groups, type),
          .kv_bytes = session.cache().bytes()};
}

std::vector<std::uint64_t> bytes_per_layer(const ModelConfig& config, const std::vector<std::uint32_t>& groups,
                                           CacheType type) {
  std::vector<std::uint64_t> bytes;
  for (const std::uint32_t g : groups) bytes.push_back(kv_bytes_per_token(config, {g}, type));
  return bytes;
}

TraceRecorder::TraceRecorder(const Tokenizer* tokenizer, std::span<const std::uint32_t> prompt)
    : tokenizer_(tokenizer) {
  for (const std::uint32_t id : prompt) trace_.tokens.push_back({.id = id, .text = text_of(id), .prompt = true});
}

StepObserver TraceRecorder::observer() {
  return {.residuals = true, .on_step = [this](const ObservedStep& step) {
            const std::size_t layers = trace_.model.layers, hidden = trace_.model.hidden;
            layers_.clear();
            for (std::size_t l = 0; l < layers; ++l) {
              layers_.push_back(fingerprint(step.residuals.data() + l * hidden, hidden));
            }
          }};
}

void TraceRecorder::take(const Session& session, const DecodedToken& chosen, double ms) {
  const std::vector<float> logits = session.last_logits();
  TraceToken token{.id = chosen.id, .text = text_of(chosen.id), .probability = probability_of(logits, chosen.id)};
  token.alternatives = best_alternatives(logits, kAlternatives);
  for (TraceAlternative& other : token.alternatives) other.text = text_of(other.id);
  token.ms = ms;
  token.layers = layers_;
  trace_.tokens.push_back(std::move(token));
}

std::string TraceRecorder::text_of(std::uint32_t id) const {
  const bool known = tokenizer_ != nullptr && id < tokenizer_->vocabulary_size();
  return known ? tokenizer_->piece(id) : fmt::format("[{}]", id);
}

}  // namespace regroup
