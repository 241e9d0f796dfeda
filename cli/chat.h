// Conversations with a model through its own chat template.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/open_model.h"
#include "runtime/ops/sampling.h"
#include "runtime/text/chat_template.h"

namespace regroup::cli {

// The messages so far, as token ids of the whole rendered text.
class Conversation {
 public:
  Conversation(const Tokenizer& tokenizer, const std::string& system, bool quiet);
  // Ids of everything up to the place where the model's answer to `text` begins. Throws kUsage when the template
  // refuses.
  std::vector<std::uint32_t> user_turn(const std::string& text);
  void assistant_turn(const std::string& text) { messages_.push_back({"assistant", text}); }
  std::size_t size() const { return messages_.size(); }
  // Forgets all messages behind the first `size`.
  void shorten(std::size_t size) { messages_.resize(size); }
  // Forgets all but the system message.
  void reset();

 private:
  const Tokenizer& tokenizer_;
  ChatTemplate template_;
  std::vector<ChatMessage> messages_;
  bool quiet_;
};

struct ChatOptions {
  OpenOptions open;
  std::string system, first_message;
  std::uint32_t max_tokens = 128;  // of one answer
  SamplingSettings sampling;
  std::vector<std::string> stops;
};

// Reads messages from the terminal until end of file or /exit; /groups G turns the knob in the middle of the
// conversation, /reset begins a new one. Returns the exit code.
int chat_on_terminal(OpenModel& opened, ChatOptions options);

}  // namespace regroup::cli
