// Sessions of the C interface: decoding, and changing groups on the way.
#include <algorithm>
#include <numeric>

#include "capi/boundary.h"
#include "capi/handles.h"
#include "converter/budget.h"
#include "converter/live_grouping.h"
#include "runtime/decode/generate.h"
#include "runtime/decode/memory_plan.h"
#include "runtime/model/finite_weights.h"
#include "runtime/selftest/trusted_kernels.h"

namespace regroup::capi {
namespace {

constexpr std::uint32_t kDefaultMaxTokens = 128;

CacheType cache_type_of(regroup_cache_type type) {
  switch (type) {
    case REGROUP_CACHE_F16:
      return CacheType::kF16;
    case REGROUP_CACHE_F32:
      return CacheType::kF32;
    case REGROUP_CACHE_Q8_0:
      return CacheType::kQ8_0;
    case REGROUP_CACHE_Q4_0:
      return CacheType::kQ4_0;
  }
  throw_error(ErrorCode::kUsage, "cache_type is {}, which is none of REGROUP_CACHE_...", static_cast<int>(type));
}

SamplingSettings sampling_of(const regroup_session_options& options) {
  SamplingSettings sampling;
  sampling.temperature = options.temperature;
  sampling.top_k = options.top_k;
  if (options.top_p > 0) sampling.top_p = options.top_p;
  sampling.min_p = options.min_p;
  if (options.repeat_penalty > 0) sampling.repeat_penalty = options.repeat_penalty;
  sampling.seed = options.seed;
  return sampling;
}

// At least one token is fed, so that there are logits to choose from.
std::uint32_t shared_prefix(const std::vector<std::uint32_t>& cached, std::span<const std::uint32_t> tokens) {
  const auto end = std::mismatch(cached.begin(), cached.end(), tokens.begin(), tokens.end()).first;
  return static_cast<std::uint32_t>(
      std::min<std::size_t>(static_cast<std::size_t>(end - cached.begin()), tokens.size() - 1));
}

regroup_stop stop_of(StopReason reason) {
  switch (reason) {
    case StopReason::kLength:
      return REGROUP_STOP_LENGTH;
    case StopReason::kEndOfText:
      return REGROUP_STOP_END_OF_TEXT;
    case StopReason::kStopText:
      return REGROUP_STOP_TEXT;
    case StopReason::kContextFull:
      return REGROUP_STOP_CONTEXT_FULL;
    case StopReason::kInterrupted:
      return REGROUP_STOP_INTERRUPTED;
  }
  return REGROUP_STOP_LENGTH;
}

GenerateOptions generation_for(regroup_session& session, const regroup_decode_options& options) {
  GenerateOptions generation;
  generation.max_tokens = options.max_tokens > 0 ? options.max_tokens : kDefaultMaxTokens;
  if (options.stop_count > 0) require(options.stops, "stops");
  for (const char* stop : std::span(options.stops, options.stop_count)) generation.stops.push_back(text_of(stop));
  if (options.on_token != nullptr) {
    generation.on_token = [&session, options](const DecodedToken& token) {
      if (options.on_token(options.user, token.id, token.probability) != 0) session.cancel = true;
    };
  }
  if (options.on_text != nullptr) {
    generation.on_text = [&session, options](std::string_view text) {
      if (options.on_text(options.user, text.data(), text.size()) != 0) session.cancel = true;
    };
  }
  generation.cancel = &session.cancel;
  return generation;
}

}  // namespace
}  // namespace regroup::capi

using namespace regroup;
using namespace regroup::capi;

regroup_status regroup_session_open(const regroup_model* model, const regroup_session_options* options,
                                    regroup_session** session, regroup_error* error) {
  return guarded(error, [&] {
    require(model, "model");
    require(session, "session");
    *session = nullptr;
    const auto chosen = read_options(options, "regroup_session_options");
    const CacheType type = cache_type_of(chosen.cache_type);
    check_cache_type(model->outline.config, type);
    if (type != kCheckedCacheType) {
      selftest::require_kernels(*model->opened.device, model->profile, selftest::kernel_needs(model->file, type, true));
    }
    const std::uint32_t context = usable_context(*model->model, chosen.context);
    require_cache(*model->opened.device, model->outline.config, model->identity->plan().groups(), type, context, 1);
    std::unique_ptr<regroup_session> opened(new regroup_session{.opened = *model, .cache_type = type});
    opened->session = std::make_unique<Session>(
        *model->model, *model->identity,
        SessionOptions{.context = context, .cache_type = type, .sampling = sampling_of(chosen)});
    *session = opened.release();
  });
}

void regroup_session_close(regroup_session* session) {
  delete session;
}

regroup_status regroup_decode(regroup_session* session, const uint32_t* tokens, size_t count,
                              const regroup_decode_options* options, regroup_decode_result* result,
                              regroup_error* error) {
  return guarded(error, [&] {
    require(session, "session");
    if (count > 0) require(tokens, "tokens");
    const auto chosen = read_options(options, "regroup_decode_options");
    check_size(result, "regroup_decode_result");
    const std::span<const std::uint32_t> prompt(tokens, count);
    Session& decoder = *session->session;
    check_prompt(decoder.model(), prompt, decoder.context());
    session->cancel = false;
    const std::uint32_t kept = shared_prefix(decoder.tokens(), prompt);
    decoder.rewind(kept);
    const auto& tokenizer = session->opened.tokenizer;
    const GenerateResult done = blaming_weights(session->opened.file, &session->cancel, [&] {
      return generate(decoder, tokenizer ? &*tokenizer : nullptr, prompt.subspan(kept),
                      generation_for(*session, chosen));
    });
    regroup_decode_result out{};
    out.stop = stop_of(done.stop);
    out.prompt_tokens = static_cast<std::uint32_t>(count - kept);
    out.generated_tokens = static_cast<std::uint32_t>(done.tokens.size());
    out.prefill_ms = done.prefill_ms;
    out.decode_ms = std::accumulate(done.decode_ms.begin(), done.decode_ms.end(), 0.0);
    write_result(result, out);
  });
}

regroup_status regroup_session_logits(const regroup_session* session, float* logits, size_t capacity, size_t* count,
                                      regroup_error* error) {
  return guarded(error, [&] {
    require(session, "session");
    if (session->session->position() == 0) throw_error(ErrorCode::kUsage, "nothing was decoded in this session yet");
    write_array<float>(session->session->last_logits(), logits, capacity, count);
  });
}

void regroup_interrupt(regroup_session* session) {
  if (session != nullptr) session->cancel = true;
}

regroup_status regroup_session_regroup(regroup_session* session, const char* groups, const char* method,
                                       const regroup_progress* progress, regroup_error* error) {
  return guarded(error, [&] {
    require(session, "session");
    const regroup_model& opened = session->opened;
    session->cancel = false;
    const Progress told = progress_to(progress, session->cancel);
    if (groups == nullptr) {
      session->session->regroup(*opened.identity, RegroupMode::kReprefill, &session->cancel, told);
      session->grouping.reset();
      return;
    }
    // Assigned one by one: GCC 12 takes members of a half-initialised aggregate for uninitialised when one may throw.
    LiveGrouping job{.file = opened.file, .outline = opened.outline, .model = *opened.model};
    job.tokenizer = opened.tokenizer ? &*opened.tokenizer : nullptr;
    job.settings.method = method == nullptr ? "mean" : method;
    job.cache_folder = opened.opened.cache_folder;
    job.progress = told;
    job.cancel = &session->cancel;
    job.remark = [&opened](std::string_view text) { opened.opened.remark(text); };
    const auto budget = groups_budget(groups);
    if (budget || !is_instant(job.settings.method)) {
      auto needs = selftest::kernel_needs(opened.file, session->cache_type, true);
      needs.calibrating = needs.logits_compared = true;
      selftest::require_kernels(opened.model->device(), opened.profile, needs);
    }
    job.settings.groups =
        budget
            ? groups_for_budget(job, *budget)
            : GroupPlan::contiguous(opened.outline.config, GroupPlan::parse_groups(groups), PoolMethod::kMean).groups();
    std::unique_ptr<Grouping> grouping = make_live_grouping(job);
    session->session->regroup(*grouping, RegroupMode::kReprefill, &session->cancel, told);
    session->grouping = std::move(grouping);
  });
}

regroup_status regroup_session_kv_bytes_per_token(const regroup_session* session, uint64_t* bytes,
                                                  regroup_error* error) {
  return guarded(error, [&] {
    require(session, "session");
    require(bytes, "bytes");
    *bytes = kv_bytes_per_token(session->opened.outline.config, session->session->grouping().plan().groups(),
                                session->cache_type);
  });
}
