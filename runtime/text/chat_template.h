// A conversation to the text that the model was trained on: the model's own template, or a built-in one.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/text/tokenizer.h"

namespace regroup {

namespace jinja {
class Template;
}

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

struct ChatText {
  std::string text;     // encode it with add_special = false: templates write BOS themselves
  std::string warning;  // why a built-in template stood in for the model's own, or empty
};

class ChatTemplate {
 public:
  // Takes the tokenizer's chat template; without one, a built-in template is chosen by the tokens that the vocabulary
  // has.
  explicit ChatTemplate(const Tokenizer& tokenizer);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // What transformers' apply_chat_template gives. A template that this program cannot run is replaced by the built-in
  // one that it resembles, with a warning. Throws Error kUsage when the template itself refuses the conversation (some
  // want user and assistant to alternate). Thread-safe.
  ChatText render(const std::vector<ChatMessage>& messages, bool add_generation_prompt) const;

  // "model" for the model's own, or the name of the built-in that is used: "chatml", "llama2", "llama3", "gemma",
  // "mistral".
  const std::string& name() const { return name_; }

 private:
  std::string run(const jinja::Template& source, const std::vector<ChatMessage>& messages,
                  bool add_generation_prompt) const;

  std::unique_ptr<const jinja::Template> own_;  // null: there is none that can be parsed
  std::unique_ptr<const jinja::Template> built_in_;
  std::string name_, built_in_name_, warning_;
  std::vector<std::pair<std::string, std::string>> special_tokens_;  // name in the template, text
};

}  // namespace regroup
