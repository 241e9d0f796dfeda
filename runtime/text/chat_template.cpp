#include "runtime/text/chat_template.h"

#include "runtime/core/error.h"
#include "runtime/text/built_in_templates.h"
#include "runtime/text/jinja/template.h"

namespace regroup {
namespace {

// The special tokens by the names that templates have for them. As in transformers, one that the model does not have is
// undefined.
std::vector<std::pair<std::string, std::string>> special_tokens(const Tokenizer& tokenizer) {
  std::vector<std::pair<std::string, std::string>> tokens;
  if (tokenizer.bos()) tokens.emplace_back("bos_token", tokenizer.piece(*tokenizer.bos()));
  if (tokenizer.eos()) tokens.emplace_back("eos_token", tokenizer.piece(*tokenizer.eos()));
  for (const auto& [name, id] : tokenizer.named_tokens()) tokens.emplace_back(name, tokenizer.piece(id));
  return tokens;
}

}  // namespace

ChatTemplate::ChatTemplate(const Tokenizer& tokenizer) : special_tokens_(special_tokens(tokenizer)) {
  const std::string& source = tokenizer.chat_template();
  const Recognised recognised = recognise_chat_format(source, tokenizer);
  built_in_ = std::make_unique<jinja::Template>(recognised.format.source);
  built_in_name_ = recognised.format.name;
  name_ = built_in_name_;
  if (source.empty()) {
    if (!recognised.certain)
      warning_ = "the model has no chat template and no tokens that point to one; the ChatML format is used";
    return;
  }
  try {
    own_ = std::make_unique<jinja::Template>(source);
    name_ = "model";
  } catch (const jinja::TemplateError& error) {
    warning_ = fmt::format("the model's chat template cannot be read ({}); the built-in {} format is used",
                           escaped(error.what()), built_in_name_);
  }
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

ChatText ChatTemplate::render(const std::vector<ChatMessage>& messages, bool add_generation_prompt) const {
  ChatText result{"", warning_};
  const auto refused = [](const jinja::TemplateError& error) {
    return Error(ErrorCode::kUsage,
                 fmt::format("the chat template refuses this conversation: {}", escaped(error.what())));
  };
  if (own_) {
    try {
      result.text = run(*own_, messages, add_generation_prompt);
      return result;
    } catch (const jinja::TemplateError& error) {
      if (error.raised()) throw refused(error);
      result.warning = fmt::format("the model's chat template cannot be run ({}); the built-in {} format is used",
                                   escaped(error.what()), built_in_name_);
    }
  }
  try {
    result.text = run(*built_in_, messages, add_generation_prompt);
  } catch (const jinja::TemplateError& error) {
    throw refused(error);
  }
  return result;
}

std::string ChatTemplate::run(const jinja::Template& source, const std::vector<ChatMessage>& messages,
                              bool add_generation_prompt) const {
  jinja::List list;
  std::size_t content_bytes = 0;
  for (const ChatMessage& message : messages) {
    jinja::Dict entry;
    entry.set("role", message.role);
    entry.set("content", message.content);
    list.emplace_back(std::move(entry));
    content_bytes += message.content.size();
  }
  jinja::Dict variables;
  variables.set("messages", std::move(list));
  variables.set("tools", jinja::Value::None{});
  variables.set("documents", jinja::Value::None{});
  variables.set("add_generation_prompt", add_generation_prompt);
  for (const auto& [name, text] : special_tokens_) variables.set(name, text);
  jinja::Limits limits;
  limits.bytes += content_bytes * 16;  // templates copy what is said a few times
  limits.steps += content_bytes + messages.size() * 1000;
  return source.render(variables, limits);
}

}  // namespace regroup
