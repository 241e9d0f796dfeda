// Models and text of the C interface.
#include "capi/boundary.h"
#include "capi/handles.h"
#include "runtime/decode/load_tokenizer.h"
#include "runtime/decode/locate_model.h"
#include "runtime/decode/memory_plan.h"
#include "runtime/selftest/trusted_kernels.h"
#include "runtime/text/chat_template.h"
#include "runtime/tuning/tuned_families.h"

namespace regroup::capi {
namespace {

// Room that must be left beside the weights; sessions check what they really take.
constexpr std::uint32_t kLeastContext = 128;

const Tokenizer& tokenizer_of(const regroup_model* model) {
  require(model, "model");
  if (!model->tokenizer)
    throw_error(ErrorCode::kUsage, "{} has no tokenizer; give token ids", escaped(model->file.path().string()));
  return *model->tokenizer;
}

std::span<const std::uint32_t> ids(const std::uint32_t* tokens, std::size_t count) {
  if (count > 0) require(tokens, "tokens");
  return {tokens, count};
}

}  // namespace
}  // namespace regroup::capi

using namespace regroup;
using namespace regroup::capi;

regroup_status regroup_model_open(regroup_device* device, const char* path, const regroup_progress* progress,
                                  regroup_model** model, regroup_error* error) {
  return guarded(error, [&] {
    require(device, "device");
    require(model, "model");
    *model = nullptr;
    CancelFlag cancel{false};
    auto opened = std::unique_ptr<regroup_model>(
        new regroup_model{.opened = *device, .file = ModelFile::open(locate_model(text_of(path)))});
    opened->outline = read_outline(opened->file);
    const ModelConfig& config = opened->outline.config;
    device->remark(opened->outline.remark());
    opened->tokenizer = load_tokenizer(opened->file, config.vocabulary);
    if (opened->tokenizer) device->remark(opened->tokenizer->warning());
    const selftest::TrustedKernels trusted = selftest::trusted_kernels(
        *device->device, tuning::tuned_families(*device->device, tuning::shape_of(opened->file)),
        selftest::kernel_needs(opened->file, kCheckedCacheType, true));
    for (const std::string& remark : trusted.remarks) device->remark(remark);
    opened->profile = trusted.profile;
    const MemoryPlan memory =
        plan_memory(*device->device, opened->profile, opened->file, opened->outline,
                    GroupPlan::identity(config).groups(), CacheType::kF16, kLeastContext, kLeastContext);
    require_fit(memory, config, CacheType::kF16);
    opened->model = Model::load(*device->device, opened->profile, opened->file, progress_to(progress, cancel), &cancel);
    opened->identity = std::make_unique<Grouping>(*opened->model, GroupPlan::identity(config));
    *model = opened.release();
  });
}

void regroup_model_close(regroup_model* model) {
  delete model;
}

regroup_status regroup_model_describe(const regroup_model* model, regroup_model_info* info, regroup_error* error) {
  return guarded(error, [&] {
    require(model, "model");
    require(info, "info");
    check_size(info, "regroup_model_info");
    const ModelConfig& config = model->outline.config;
    regroup_model_info out{};
    copy_text(out.architecture, config.architecture);
    copy_text(out.name, config.name);
    out.parameters = model->outline.parameters;
    out.weights_bytes = model->model->weights_bytes();
    out.layers = config.layer_count();
    out.hidden = config.hidden;
    out.feed_forward = config.feed_forward;
    out.vocabulary = config.vocabulary;
    out.context = config.context_length;
    out.query_heads = config.query_heads;
    out.kv_heads = config.most_kv_heads();
    out.head_dim = config.head_dim;
    out.has_tokenizer = model->tokenizer ? 1 : 0;
    write_result(info, out);
  });
}

regroup_status regroup_tokenize(const regroup_model* model, const char* text, size_t length, uint32_t flags,
                                uint32_t* tokens, size_t capacity, size_t* count, regroup_error* error) {
  return guarded(error, [&] {
    const Tokenizer& tokenizer = tokenizer_of(model);
    if (length > 0) require(text, "text");
    const auto found = tokenizer.encode(
        std::string_view(text, length),
        {.add_special = (flags & REGROUP_TEXT_PLAIN) == 0, .parse_special = (flags & REGROUP_TEXT_NO_SPECIAL) == 0});
    write_array<std::uint32_t>(found, tokens, capacity, count);
  });
}

regroup_status regroup_detokenize(const regroup_model* model, const uint32_t* tokens, size_t count, uint32_t flags,
                                  char* text, size_t capacity, size_t* length, regroup_error* error) {
  return guarded(error, [&] {
    const Tokenizer& tokenizer = tokenizer_of(model);
    const std::string found = tokenizer.decode(ids(tokens, count), (flags & REGROUP_TEXT_SHOW_SPECIAL) != 0);
    write_array<char>(found, text, capacity, length);
    if (found.size() < capacity) text[found.size()] = '\0';
  });
}

regroup_status regroup_tokenize_chat(const regroup_model* model, const regroup_message* messages, size_t message_count,
                                     uint32_t* tokens, size_t capacity, size_t* count, regroup_error* error) {
  return guarded(error, [&] {
    const Tokenizer& tokenizer = tokenizer_of(model);
    if (message_count > 0) require(messages, "messages");
    std::vector<ChatMessage> conversation;
    for (const regroup_message& message : std::span(messages, message_count)) {
      require(message.role, "a message's role");
      require(message.content, "a message's content");
      conversation.push_back({message.role, message.content});
    }
    const ChatText rendered = ChatTemplate(tokenizer).render(conversation, true);
    model->opened.remark(rendered.warning);
    const auto found = tokenizer.encode(rendered.text, {.add_special = false, .parse_special = true});
    write_array<std::uint32_t>(found, tokens, capacity, count);
  });
}
