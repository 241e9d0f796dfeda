// Traces as JSON, and back with every number checked: a trace file may come from anywhere.
#include <cmath>
#include <limits>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/core/json_checked.h"
#include "runtime/decode/trace.h"

namespace regroup {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kSchema = 1;
constexpr std::size_t kMostTokens = 1u << 20;  // far beyond any context that somebody looks at
constexpr std::size_t kMostLayers = 1u << 12;

Json to_json(const TraceToken& token) {
  Json json{{"id", token.id}, {"text", token.text}, {"grouping", token.grouping}};
  if (token.prompt) json["prompt"] = true;
  if (!token.prompt) {
    json["probability"] = token.probability;
    json["ms"] = token.ms;
    json["split_ms"] = {token.split.attention_ms, token.split.products_ms, token.split.rest_ms};
    Json best = Json::array();
    for (const TraceAlternative& other : token.alternatives) best.push_back({other.id, other.probability, other.text});
    json["alternatives"] = std::move(best);
  }
  if (token.quality) json["quality"] = {{"kl", token.quality->kl}, {"same_top", token.quality->same_top}};
  if (!token.layers.empty()) {
    Json layers = Json::array();
    for (const TraceFingerprint& layer : token.layers) layers.push_back({layer.norm, layer.projection});
    json["layers"] = std::move(layers);
  }
  return json;
}

// Reads fields of one object; every failure names the file and the way to the field.
class Fields {
 public:
  Fields(const nlohmann::json& json, const std::string& file, std::string where)
      : json_(json), file_(file), where_(std::move(where)) {
    if (!json.is_object()) refuse("", "is no object");
  }

  [[noreturn]] void refuse(std::string_view field, std::string_view problem) const {
    throw_error(ErrorCode::kBadModel, "{}: not a trace that can be shown: {}{} {}", escaped(file_), where_, field,
                problem);
  }
  const nlohmann::json& at(const char* field) const {
    const auto found = json_.find(field);
    if (found == json_.end()) refuse(field, "is missing");
    return *found;
  }
  bool has(const char* field) const { return json_.contains(field); }
  std::string text(const char* field) const {
    if (!at(field).is_string()) refuse(field, "is no text");
    return at(field).get<std::string>();
  }
  bool truth(const char* field) const {
    if (!at(field).is_boolean()) refuse(field, "is no truth value");
    return at(field).get<bool>();
  }
  double number(const nlohmann::json& value, std::string_view field) const {
    if (!value.is_number()) refuse(field, "is no number");
    const double result = value.get<double>();
    if (!std::isfinite(result)) refuse(field, "is not finite");
    return result;
  }
  double number(const char* field) const { return number(at(field), field); }
  float single(const nlohmann::json& value, std::string_view field) const {
    const double result = number(value, field);
    if (std::abs(result) > std::numeric_limits<float>::max()) refuse(field, "is too large");
    return static_cast<float>(result);
  }
  std::uint64_t whole(const nlohmann::json& value, std::string_view field, std::uint64_t most) const {
    if (!is_whole_number(value, most)) refuse(field, fmt::format("is no whole number up to {}", most));
    return value.get<std::uint64_t>();
  }
  std::uint64_t whole(const char* field, std::uint64_t most = UINT64_MAX) const {
    return whole(at(field), field, most);
  }
  std::uint32_t u32(const char* field) const { return static_cast<std::uint32_t>(whole(field, UINT32_MAX)); }
  const nlohmann::json& array(const char* field, std::size_t most) const {
    if (!at(field).is_array()) refuse(field, "is no list");
    if (at(field).size() > most) refuse(field, fmt::format("has more than {} entries", most));
    return at(field);
  }
  template <typename T>
  std::vector<T> numbers(const char* field, std::size_t most) const {
    std::vector<T> values;
    for (const auto& value : array(field, most)) {
      values.push_back(static_cast<T>(whole(value, field, std::numeric_limits<T>::max())));
    }
    return values;
  }
  Fields object(const nlohmann::json& value, std::string where) const { return Fields(value, file_, std::move(where)); }

 private:
  const nlohmann::json& json_;
  const std::string& file_;
  std::string where_;
};

TraceModel read_model(const Fields& f) {
  TraceModel model{.name = f.text("name"),
                   .path = f.text("path"),
                   .architecture = f.text("architecture"),
                   .layers = static_cast<std::uint32_t>(f.whole("layers", kMostLayers)),
                   .query_heads = static_cast<std::uint32_t>(f.whole("query_heads", 1u << 16)),
                   .head_dim = f.u32("head_dim"),
                   .vocabulary = f.u32("vocabulary"),
                   .hidden = f.u32("hidden"),
                   .kv_heads = f.numbers<std::uint32_t>("kv_heads", kMostLayers),
                   .parameters = f.whole("parameters"),
                   .weights_bytes = f.whole("weights_bytes")};
  if (model.kv_heads.size() != model.layers) f.refuse("kv_heads", "does not have one number per layer");
  return model;
}

TraceGrouping read_grouping(const Fields& f, const TraceModel& model) {
  TraceGrouping grouping{.groups = f.numbers<std::uint32_t>("groups", kMostLayers),
                         .method = f.text("method"),
                         .kv_bytes_per_token = f.whole("kv_bytes_per_token"),
                         .layer_bytes_per_token = f.numbers<std::uint64_t>("layer_bytes_per_token", kMostLayers),
                         .kv_bytes = f.whole("kv_bytes")};
  if (grouping.groups.size() != model.layers || grouping.layer_bytes_per_token.size() != model.layers) {
    f.refuse("groups", "does not have one number per layer");
  }
  for (std::uint32_t l = 0; l < model.layers; ++l) {
    if (grouping.groups[l] == 0 || grouping.groups[l] > model.query_heads) f.refuse("groups", "is outside 1 .. H");
  }
  return grouping;
}

TraceToken read_token(const Fields& f, const Trace& trace) {
  TraceToken token{.id = f.u32("id"), .text = f.text("text"), .prompt = f.has("prompt") && f.truth("prompt")};
  token.grouping = f.u32("grouping");
  if (token.grouping >= trace.groupings.size()) f.refuse("grouping", "points outside the list of groupings");
  if (!token.prompt) {
    token.probability = f.single(f.at("probability"), "probability");
    token.ms = f.number("ms");
    const auto& split = f.array("split_ms", 3);
    if (split.size() != 3) f.refuse("split_ms", "does not have three numbers");
    token.split = {f.number(split[0], "split_ms"), f.number(split[1], "split_ms"), f.number(split[2], "split_ms")};
    for (const auto& other : f.array("alternatives", 1000)) {
      if (!other.is_array() || other.size() != 3 || !other[2].is_string()) f.refuse("alternatives", "is malformed");
      token.alternatives.push_back({static_cast<std::uint32_t>(f.whole(other[0], "alternatives", UINT32_MAX)),
                                    f.single(other[1], "alternatives"), other[2].get<std::string>()});
    }
  }
  if (f.has("quality")) {
    const Fields q = f.object(f.at("quality"), "quality.");
    token.quality = TraceQuality{.kl = q.number("kl"), .same_top = q.truth("same_top")};
  }
  if (f.has("layers")) {
    for (const auto& layer : f.array("layers", kMostLayers)) {
      if (!layer.is_array() || layer.size() != 2) f.refuse("layers", "is malformed");
      token.layers.push_back({f.single(layer[0], "layers"), f.single(layer[1], "layers")});
    }
  }
  return token;
}

}  // namespace

std::string trace_to_json(const Trace& trace) {
  const TraceModel& m = trace.model;
  Json json{{"schema", kSchema},
            {"kind", "regroup-trace"},
            {"model",
             {{"name", m.name},
              {"path", m.path},
              {"architecture", m.architecture},
              {"layers", m.layers},
              {"query_heads", m.query_heads},
              {"kv_heads", m.kv_heads},
              {"head_dim", m.head_dim},
              {"vocabulary", m.vocabulary},
              {"hidden", m.hidden},
              {"parameters", m.parameters},
              {"weights_bytes", m.weights_bytes}}},
            {"device", trace.device},
            {"driver", trace.driver},
            {"kernels", trace.kernels},
            {"cache_type", trace.cache_type},
            {"positions", trace.positions},
            {"prefill_ms", trace.prefill_ms},
            {"bytes_per_second", trace.bytes_per_second}};
  if (trace.sampling) {
    const SamplingSettings& s = *trace.sampling;
    json["sampling"] = {{"temperature", s.temperature},
                        {"top_k", s.top_k},
                        {"top_p", s.top_p},
                        {"min_p", s.min_p},
                        {"repeat_penalty", s.repeat_penalty},
                        {"repeat_last", s.repeat_last},
                        {"seed", s.seed}};
  }
  Json groupings = Json::array(), tokens = Json::array(), sweep = Json::array();
  for (const TraceGrouping& grouping : trace.groupings) {
    groupings.push_back({{"groups", grouping.groups},
                         {"method", grouping.method},
                         {"kv_bytes_per_token", grouping.kv_bytes_per_token},
                         {"layer_bytes_per_token", grouping.layer_bytes_per_token},
                         {"kv_bytes", grouping.kv_bytes}});
  }
  for (const TraceToken& token : trace.tokens) tokens.push_back(to_json(token));
  for (const TraceSweepPoint& point : trace.sweep) {
    sweep.push_back({{"groups", point.groups},
                     {"depth", point.depth},
                     {"mean_ms", point.mean_ms},
                     {"deviation_ms", point.deviation_ms},
                     {"runs", point.runs},
                     {"kv_bytes_per_token", point.kv_bytes_per_token}});
  }
  json["groupings"] = std::move(groupings);
  json["tokens"] = std::move(tokens);
  json["sweep"] = std::move(sweep);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Trace trace_from_json(std::string_view text, const std::string& file) {
  const nlohmann::json json = parse_json_checked(text, file);
  const Fields f(json, file, "");
  if (!f.has("kind") || f.at("kind") != "regroup-trace") f.refuse("kind", "is not \"regroup-trace\"");
  if (f.whole("schema") != kSchema) f.refuse("schema", fmt::format("is not {}, the one this program knows", kSchema));
  Trace trace;
  trace.model = read_model(f.object(f.at("model"), "model."));
  trace.device = f.text("device");
  trace.driver = f.text("driver");
  trace.kernels = f.text("kernels");
  trace.cache_type = f.text("cache_type");
  trace.positions = f.u32("positions");
  trace.prefill_ms = f.number("prefill_ms");
  trace.bytes_per_second = f.number("bytes_per_second");
  if (f.has("sampling")) {
    const Fields s = f.object(f.at("sampling"), "sampling.");
    trace.sampling = SamplingSettings{.temperature = s.single(s.at("temperature"), "temperature"),
                                      .top_k = s.u32("top_k"),
                                      .top_p = s.single(s.at("top_p"), "top_p"),
                                      .min_p = s.single(s.at("min_p"), "min_p"),
                                      .repeat_penalty = s.single(s.at("repeat_penalty"), "repeat_penalty"),
                                      .repeat_last = s.u32("repeat_last"),
                                      .seed = s.whole("seed")};
  }
  std::size_t index = 0;
  for (const auto& grouping : f.array("groupings", 1u << 16)) {
    trace.groupings.push_back(read_grouping(f.object(grouping, fmt::format("groupings[{}].", index++)), trace.model));
  }
  index = 0;
  for (const auto& token : f.array("tokens", kMostTokens)) {
    trace.tokens.push_back(read_token(f.object(token, fmt::format("tokens[{}].", index++)), trace));
  }
  index = 0;
  for (const auto& value : f.array("sweep", 1u << 12)) {
    const Fields point = f.object(value, fmt::format("sweep[{}].", index++));
    trace.sweep.push_back({.groups = point.u32("groups"),
                           .depth = point.u32("depth"),
                           .mean_ms = point.number("mean_ms"),
                           .deviation_ms = point.number("deviation_ms"),
                           .runs = point.u32("runs"),
                           .kv_bytes_per_token = point.whole("kv_bytes_per_token")});
  }
  return trace;
}

}  // namespace regroup
