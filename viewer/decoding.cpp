#include "viewer/decoding.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/decode/attention_rows.h"
#include "runtime/decode/memory_plan.h"
#include "runtime/decode/trace_recorder.h"

namespace regroup::view {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kAlternatives = 10;
constexpr std::size_t kMostAttentionRows = 512;

// What stands in `text` behind `before` and `answer`; templates may trim the answer's blanks.
std::optional<std::string> text_behind(std::string_view text, std::string_view before, std::string_view answer) {
  constexpr std::string_view kBlanks = " \n\t\r";
  if (!text.starts_with(before)) return std::nullopt;
  text.remove_prefix(before.size());
  if (text.starts_with(answer)) return std::string(text.substr(answer.size()));
  const std::size_t begin = answer.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::string_view trimmed = answer.substr(begin, answer.find_last_not_of(kBlanks) + 1 - begin);
  const std::size_t at = text.find(trimmed);
  if (at == std::string_view::npos || text.find_first_not_of(kBlanks) < at) return std::nullopt;
  return std::string(text.substr(at + trimmed.size()));
}

}  // namespace

Decoding::Decoding(const OpenedModel& opened, std::unique_ptr<Grouping> grouping, SharedState& shared)
    : opened_(opened), shared_(shared), grouping_(std::move(grouping)) {
  RunSettings settings;
  {
    const std::lock_guard lock(shared.mutex);
    settings = shared.state.settings;
  }
  session_ = std::make_unique<Session>(*opened.model, *grouping_,
                                       SessionOptions{.context = settings.positions,
                                                      .cache_type = settings.cache_type,
                                                      .sampling = settings.sampling,
                                                      .timestamps = true});
  watch(settings.attention_layer, settings.fingerprints, nullptr);
  publish_grouping();
}

std::vector<std::uint32_t> Decoding::ids() const {
  const std::lock_guard lock(shared_.mutex);
  std::vector<std::uint32_t> ids;
  for (const TraceToken& token : shared_.state.trace.tokens) ids.push_back(token.id);
  return ids;
}

std::string Decoding::text_of(std::uint32_t id) {
  if (!opened_.tokenizer || id >= opened_.tokenizer->vocabulary_size()) return fmt::format("[{}]", id);
  if (opened_.tokenizer->is_control(id)) return opened_.tokenizer->piece(id);
  return text_->feed(id);
}

void Decoding::begin(const std::string& prompt, bool chat) {
  if (!opened_.tokenizer) {
    throw_error(ErrorCode::kUsage, "{} has no tokenizer: a prompt cannot be read", opened_.file.path().string());
  }
  const Tokenizer& tokenizer = *opened_.tokenizer;
  std::vector<ChatMessage> messages;
  if (chat) messages.push_back({"user", prompt});
  const std::vector<std::uint32_t> prompt_ids =
      chat ? tokenizer.encode(ChatTemplate(tokenizer).render(messages, true).text, {.add_special = false})
           : tokenizer.encode(prompt);
  if (prompt_ids.empty()) throw_error(ErrorCode::kUsage, "the prompt is empty; type something to go on from");
  if (prompt_ids.size() >= session_->context()) {
    throw_error(ErrorCode::kUsage, "the prompt has {} tokens, the cache holds {} positions", prompt_ids.size(),
                session_->context());
  }
  keep(0);
  std::vector<TraceToken> tokens = prompt_tokens(prompt_ids);
  const std::lock_guard lock(shared_.mutex);
  shared_.state.conversation = std::move(messages);
  Trace& trace = shared_.state.trace;
  trace.groupings.erase(trace.groupings.begin(), trace.groupings.end() - 1);
  for (TraceToken& token : tokens) token.grouping = 0;
  trace.tokens = std::move(tokens);
  trace.prefill_ms = 0;
  ++shared_.state.tokens_version;
}

std::vector<TraceToken> Decoding::prompt_tokens(const std::vector<std::uint32_t>& ids) {
  std::vector<TraceToken> tokens;
  for (const std::uint32_t id : ids) tokens.push_back({.id = id, .text = text_of(id), .prompt = true});
  return tokens;
}

void Decoding::say(const std::string& message) {
  REGROUP_CHECK(opened_.tokenizer.has_value());
  const Tokenizer& tokenizer = *opened_.tokenizer;
  std::vector<ChatMessage> messages;
  // The answer: everything behind the last prompt token that is text.
  std::string answer;
  std::vector<std::uint32_t> held;
  {
    const std::lock_guard lock(shared_.mutex);
    messages = shared_.state.conversation;
    const auto& tokens = shared_.state.trace.tokens;
    std::size_t begin = tokens.size();
    while (begin > 0 && !tokens[begin - 1].prompt) --begin;
    for (std::size_t t = begin; t < tokens.size(); ++t) {
      if (!tokenizer.is_control(tokens[t].id)) answer += tokens[t].text;
    }
    for (const TraceToken& token : tokens) held.push_back(token.id);
  }
  if (messages.empty()) throw_error(ErrorCode::kUsage, "this run is no conversation; reset it, then say something");
  const ChatTemplate chat(tokenizer);
  const std::string before = chat.render(messages, true).text;
  messages.push_back({"assistant", answer});
  messages.push_back({"user", message});
  const std::string text = chat.render(messages, true).text;
  std::size_t kept = held.size();
  std::vector<std::uint32_t> ids;
  if (const auto behind = text_behind(text, before, answer)) {
    // Tokens that were generated stay what they are, whatever tokens their text would be read as.
    ids = tokenizer.encode(*behind, {.add_special = false});
    if (!ids.empty() && ids.front() == held.back() && tokenizer.is_control(held.back())) ids.erase(ids.begin());
  } else {
    // A template that rewrites what was said: the conversation goes on from where it differs.
    const std::vector<std::uint32_t> all = tokenizer.encode(text, {.add_special = false});
    kept =
        static_cast<std::size_t>(std::mismatch(held.begin(), held.end(), all.begin(), all.end()).first - held.begin());
    ids.assign(all.begin() + static_cast<std::ptrdiff_t>(kept), all.end());
  }
  if (ids.empty()) throw_error(ErrorCode::kUsage, "the chat template leaves nothing of '{}'", escaped(message));
  if (kept + ids.size() >= session_->context()) {
    throw_error(ErrorCode::kUsage, "the conversation has {} tokens by now, the cache holds {} positions; reset it",
                kept + ids.size(), session_->context());
  }
  if (kept < held.size()) keep(kept);
  std::vector<TraceToken> tokens = prompt_tokens(ids);
  pending_is_last_ = false;
  const std::lock_guard lock(shared_.mutex);
  shared_.state.conversation = std::move(messages);
  Trace& trace = shared_.state.trace;
  for (TraceToken& token : tokens) {
    token.grouping = static_cast<std::uint32_t>(trace.groupings.size() - 1);
    trace.tokens.push_back(std::move(token));
  }
  ++shared_.state.tokens_version;
}

std::optional<std::string> Decoding::step(const CancelFlag* cancel) {
  const std::vector<std::uint32_t> all = ids();
  const std::size_t fed = session_->position();
  REGROUP_CHECK(fed < all.size());
  if (all.size() > session_->context()) return "the cache is full";
  const bool feed_prompt = fed + 1 < all.size();
  const auto start = Clock::now();
  std::uint32_t chosen = 0;
  if (pending_is_last_ && !feed_prompt) {
    chosen = session_->decode().id;
  } else {
    pending_is_last_ = false;
    chosen = session_->prefill(std::span(all).subspan(fed), cancel).id;
  }
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  pending_is_last_ = true;

  TraceToken token;
  std::map<std::string, KernelTime> kernels;
  try {
    token = describe_step(chosen, cancel);
    token.ms = ms;
    if (!feed_prompt) kernels = time_kernels(token);
  } catch (...) {
    // The session is a token ahead of the trace, as when the shadow pass was stopped: the step is taken back.
    keep(all.size());
    throw;
  }
  const bool ends = opened_.tokenizer && chosen < opened_.tokenizer->vocabulary_size() &&
                    opened_.tokenizer->is_end_of_generation(chosen);
  const std::lock_guard lock(shared_.mutex);
  Trace& trace = shared_.state.trace;
  token.grouping = static_cast<std::uint32_t>(trace.groupings.size() - 1);
  if (feed_prompt) trace.prefill_ms = ms;
  trace.tokens.push_back(std::move(token));
  if (!kernels.empty()) {
    shared_.state.kernel_times.clear();
    for (auto& [name, kernel] : kernels) shared_.state.kernel_times.push_back(kernel);
    std::sort(shared_.state.kernel_times.begin(), shared_.state.kernel_times.end(),
              [](const KernelTime& a, const KernelTime& b) { return a.ms > b.ms; });
  }
  if (ends) return "end of text";
  if (trace.tokens.size() > session_->context()) return "the cache is full";
  return std::nullopt;
}

TraceToken Decoding::describe_step(std::uint32_t id, const CancelFlag* cancel) {
  const std::vector<float> logits = session_->last_logits();
  TraceToken token = describe(id, logits);
  token.quality = quality(logits, cancel);
  token.layers = fingerprints_;
  return token;
}

std::map<std::string, KernelTime> Decoding::time_kernels(TraceToken& token) const {
  std::map<std::string, KernelTime> kernels;
  const auto timings = session_->step_timings();
  token.split = split_timings(timings);
  for (const DispatchTiming& timing : timings) {
    KernelTime& kernel = kernels[timing.label];
    kernel.name = timing.label;
    kernel.dispatches += 1;
    kernel.ms += timing.ms;
  }
  return kernels;
}

TraceToken Decoding::describe(std::uint32_t id, const std::vector<float>& logits) {
  TraceToken token{.id = id, .text = text_of(id), .probability = probability_of(logits, id)};
  token.alternatives = best_alternatives(logits, kAlternatives);
  for (TraceAlternative& other : token.alternatives) {
    const bool known = opened_.tokenizer && other.id < opened_.tokenizer->vocabulary_size();
    other.text = known ? opened_.tokenizer->piece(other.id) : fmt::format("[{}]", other.id);
  }
  return token;
}

std::optional<TraceQuality> Decoding::quality(const std::vector<float>& logits, const CancelFlag* cancel) {
  bool wanted = false;
  {
    const std::lock_guard lock(shared_.mutex);
    wanted = shared_.state.settings.quality;
  }
  if (!wanted) {
    shadow_.reset();
    return std::nullopt;
  }
  if (grouping_->is_identity() && cache_is_exact_) return TraceQuality{};  // the very same model
  if (!shadow_) {
    own_heads_ = std::make_unique<Grouping>(*opened_.model, GroupPlan::identity(opened_.config()));
    shadow_ = std::make_unique<Session>(
        *opened_.model, *own_heads_,
        SessionOptions{.context = session_->context(), .cache_type = session_->cache().type()});
  }
  const std::vector<std::uint32_t>& fed = session_->tokens();
  const auto& seen = shadow_->tokens();
  const auto [difference, other] = std::mismatch(seen.begin(), seen.end(), fed.begin(), fed.end());
  // At least the last token is fed, so that there are logits.
  const auto shared = std::min(static_cast<std::size_t>(difference - seen.begin()), fed.size() - 1);
  shadow_->rewind(static_cast<std::uint32_t>(shared));
  shadow_->prefill(std::span(fed).subspan(shared), cancel);
  return compare_logits(shadow_->last_logits(), logits);
}

void Decoding::keep(std::size_t count) {
  const std::lock_guard lock(shared_.mutex);
  AppState& state = shared_.state;
  count = std::min(count, state.trace.tokens.size());
  state.trace.tokens.resize(count);
  ++state.tokens_version;
  std::erase_if(state.attention,
                [&](const AttentionRow& row) { return row.position + 1 >= std::max<std::size_t>(count, 1); });
  session_->rewind(std::min(session_->position(), static_cast<std::uint32_t>(count > 0 ? count - 1 : 0)));
  pending_is_last_ = false;
  // An empty cache is exact whatever filled it before.
  if (session_->position() == 0) cache_is_exact_ = true;
  if (opened_.tokenizer) {
    text_.emplace(*opened_.tokenizer, StreamOptions{.starts_text = true});
    for (const TraceToken& token : state.trace.tokens) text_of(token.id);
  }
}

void Decoding::replace(std::size_t index, std::uint32_t id) {
  TraceToken token{.id = id};
  {
    const std::lock_guard lock(shared_.mutex);
    const auto& tokens = shared_.state.trace.tokens;
    if (index >= tokens.size()) throw_error(ErrorCode::kUsage, "there is no token {} to go back to", index);
    if (id >= opened_.config().vocabulary) throw_error(ErrorCode::kUsage, "token {} is outside the vocabulary", id);
    token = tokens[index];
  }
  token.id = id;
  const auto found = std::find_if(token.alternatives.begin(), token.alternatives.end(),
                                  [&](const TraceAlternative& other) { return other.id == id; });
  token.probability = found != token.alternatives.end() ? found->probability : 0.0f;
  keep(index);
  token.text = text_of(id);
  const std::lock_guard lock(shared_.mutex);
  shared_.state.trace.tokens.push_back(std::move(token));
  ++shared_.state.tokens_version;
}

void Decoding::regroup(std::unique_ptr<Grouping> next, const std::string& method, RegroupMode mode,
                       const CancelFlag* cancel) {
  // Where heads were merged in a basis of their own nothing can be pooled: the session computes the cache again.
  const bool pools = mode == RegroupMode::kPoolCache && !grouping_->has_merged_layers() && !next->has_merged_layers();
  session_->regroup(*next, mode, cancel);
  if (session_->position() > 0) cache_is_exact_ = !pools;
  grouping_ = std::move(next);
  {
    const std::lock_guard lock(shared_.mutex);
    shared_.state.settings.method = method;
  }
  publish_grouping();
}

std::unique_ptr<Grouping> Decoding::take_grouping() {
  shadow_.reset();
  session_.reset();
  return std::move(grouping_);
}

void Decoding::watch(std::optional<std::uint32_t> layer, bool fingerprints, const CancelFlag* cancel) {
  {
    const std::lock_guard lock(shared_.mutex);
    shared_.state.attention.clear();
  }
  fingerprints_.clear();
  if (!layer && !fingerprints) {
    session_->observe({});
    return;
  }
  session_->observe({.attention_layer = layer, .residuals = fingerprints, .on_step = [this](const ObservedStep& step) {
                       remember(step);
                     }});
  // Rows of tokens that were fed before; not where the cache holds what feeding again would not give.
  if (layer && cache_is_exact_) feed_again(cancel);
}

void Decoding::feed_again(const CancelFlag* cancel) {
  const std::vector<std::uint32_t> fed = session_->tokens();
  if (fed.empty()) return;
  session_->rewind(0);
  pending_is_last_ = false;
  session_->prefill(fed, cancel);
}

void Decoding::remember(const ObservedStep& step) {
  const ModelConfig& config = opened_.config();
  if (!step.residuals.empty()) {
    fingerprints_.clear();
    for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
      fingerprints_.push_back(fingerprint(step.residuals.data() + std::size_t{l} * config.hidden, config.hidden));
    }
  }
  if (step.queries.empty()) return;
  std::uint32_t layer = 0;
  {
    const std::lock_guard lock(shared_.mutex);
    if (!shared_.state.settings.attention_layer) return;
    layer = *shared_.state.settings.attention_layer;
  }
  const std::uint32_t count = step.first_position + step.token_count;
  const std::uint32_t groups = session_->grouping().groups(layer);
  const std::vector<float> keys = cached_keys(opened_.model->device(), session_->cache(), layer, count);
  std::vector<AttentionRow> rows;
  for (std::uint32_t t = 0; t < step.token_count; ++t) {
    const auto query = std::span(step.queries).subspan(std::size_t{t} * config.query_columns(), config.query_columns());
    const std::uint32_t position = step.first_position + t;
    rows.push_back({position, attention_rows(config, layer, groups, query, keys, count, position)});
  }
  const std::lock_guard lock(shared_.mutex);
  auto& all = shared_.state.attention;
  std::erase_if(all, [&](const AttentionRow& row) { return row.position >= step.first_position; });
  std::move(rows.begin(), rows.end(), std::back_inserter(all));
  if (all.size() > kMostAttentionRows) {
    all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(kMostAttentionRows));
  }
}

void Decoding::publish_grouping() {
  const auto groups = grouping_->plan().groups();
  const CacheType type = session_->cache().type();
  {
    const std::lock_guard lock(shared_.mutex);
    AppState& state = shared_.state;
    state.settings.groups = groups;
    state.trace.cache_type = cache_type_name(type);
    state.trace.positions = session_->cache().capacity();
    // A grouping under which nothing was decoded leaves no trace.
    auto& groupings = state.trace.groupings;
    const auto& tokens = state.trace.tokens;
    if (!groupings.empty() && (tokens.empty() || tokens.back().grouping + 1 < groupings.size())) groupings.pop_back();
    groupings.push_back(trace_grouping(*session_, state.settings.method));
  }
  publish_memory();
}

void Decoding::publish_memory() {
  const ModelConfig& config = opened_.config();
  Device& device = opened_.model->device();
  const auto groups = grouping_->plan().groups();
  const CacheType type = session_->cache().type();
  const std::vector<std::uint32_t> all_heads(config.layer_count(), config.query_heads);
  MemoryFacts facts{.kv_allocated = session_->cache().bytes(),
                    .kv_predicted = plan_memory(device, opened_.profile, opened_.file, opened_.outline, groups, type,
                                                session_->context(), SessionOptions{}.prefill_chunk)
                                        .kv_bytes,
                    .kv_per_token = kv_bytes_per_token(config, groups, type),
                    .mha_per_token = kv_bytes_per_token(config, all_heads, type),
                    .layer_per_token = bytes_per_layer(config, groups, type),
                    .mha_layer_per_token = bytes_per_layer(config, all_heads, type),
                    .weights = opened_.model->weights_bytes(),
                    .grouping = grouping_->bytes(),
                    .scratch = session_->scratch_bytes(),
                    .free = device.free_memory_bytes()};
  facts.longest_context = (facts.free + facts.kv_allocated) / std::max<std::uint64_t>(facts.kv_per_token, 1);
  const std::uint64_t allocated = device.allocated_bytes();
  const std::lock_guard lock(shared_.mutex);
  shared_.state.memory = facts;
  shared_.state.device.allocated_bytes = allocated;
}

}  // namespace regroup::view
