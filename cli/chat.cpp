#include "cli/chat.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "runtime/core/error.h"
#include "runtime/decode/generate.h"
#include "runtime/selftest/trusted_kernels.h"

namespace regroup::cli {
namespace {

// What the session has decoded already needs no second prefill.
std::uint32_t shared_prefix(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) {
  const auto [end, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::uint32_t>(end - a.begin());
}

// What a conversation needs, and its commands.
class Chat {
 public:
  Chat(OpenModel& opened, ChatOptions& options)
      : opened_(opened),
        options_(options),
        conversation_(*opened.tokenizer, options.system, options.open.device.quiet),
        lasting_(opened, options.open, options.sampling) {}

  void answer(const std::string& message) {
    // A message that cannot be answered (too long for the context, refused by the template) leaves no trace.
    const std::size_t before = conversation_.size();
    try {
      const std::vector<std::uint32_t> ids = conversation_.user_turn(message);
      Session& session = lasting_.get();
      // At least one token is fed, so that there are logits to choose from.
      const auto kept = std::min(shared_prefix(session.tokens(), ids), static_cast<std::uint32_t>(ids.size()) - 1);
      session.rewind(kept);
      const GenerateResult result = generate(session, &*opened_.tokenizer, std::span(ids).subspan(kept),
                                             {.max_tokens = options_.max_tokens,
                                              .stops = options_.stops,
                                              .on_text = print_text,
                                              .on_prefill = progress_on_stderr(quiet()),
                                              .cancel = &interrupt_flag(),
                                              .recover = [&](const Error& f) { return lasting_.recover(f); }});
      print_text("\n");
      conversation_.assistant_turn(result.text);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUsage) throw;
      conversation_.shorten(before);
      note(fmt::format("{}; /reset begins a new conversation", error.what()));
    }
  }

  void reset() { conversation_.reset(); }

  void regroup(const std::string& groups) {
    OpenOptions open = options_.open;
    open.groups.groups = groups;
    selftest::require_kernels(*opened_.device, opened_.profile, kernel_needs(opened_.file, open));
    const auto per_layer = resolve_groups(opened_, open.groups, quiet());
    std::unique_ptr<Grouping> grouping = make_grouping(opened_, open.groups, per_layer, quiet());
    Session& session = lasting_.get();
    session.regroup(*grouping, RegroupMode::kReprefill, &interrupt_flag(), progress_on_stderr(quiet()));
    opened_.grouping = std::move(grouping);
    options_.open.groups = open.groups;
    note(fmt::format("G is {} now, the KV cache takes {}", groups_text(per_layer),
                     human_bytes(session.cache().bytes())));
  }

 private:
  bool quiet() const { return options_.open.device.quiet; }

  OpenModel& opened_;
  ChatOptions& options_;
  Conversation conversation_;
  LastingSession lasting_;
};

// Whether `line` is a command, which is then done.
bool is_command(Chat& chat, const std::string& line) {
  if (!line.starts_with('/')) return false;
  const std::string name = line.substr(0, line.find(' '));
  const std::string argument = line.size() > name.size() ? line.substr(name.size() + 1) : std::string();
  if (name == "/groups" && !argument.empty()) {
    try {
      chat.regroup(argument);
    } catch (const Error& error) {
      note(error.what());
    }
  } else if (name == "/reset") {
    chat.reset();
  } else if (line.find('/', 1) != line.npos) {
    return false;  // a path, a comment of a program: text for the model
  } else {
    note("commands: /groups G turns the number of KV groups, /reset begins a new conversation, /exit ends");
  }
  return true;
}

}  // namespace

Conversation::Conversation(const Tokenizer& tokenizer, const std::string& system, bool quiet)
    : tokenizer_(tokenizer), template_(tokenizer), quiet_(quiet) {
  if (!system.empty()) messages_.push_back({"system", system});
}

void Conversation::reset() {
  std::erase_if(messages_, [](const ChatMessage& message) { return message.role != "system"; });
}

std::vector<std::uint32_t> Conversation::user_turn(const std::string& text) {
  messages_.push_back({"user", text});
  const ChatText rendered = template_.render(messages_, true);
  if (!rendered.warning.empty() && !quiet_) note(rendered.warning);
  return tokenizer_.encode(rendered.text, {.add_special = false, .parse_special = true});
}

int chat_on_terminal(OpenModel& opened, ChatOptions options) {
  Chat chat(opened, options);
  // Ctrl-C ends an answer or a command, not the conversation; while a message is waited for it ends that.
  const auto uninterrupted = [](const auto& work) {
    forget_interrupt();
    work();
    forget_interrupt();
  };
  if (!options.first_message.empty()) uninterrupted([&] { chat.answer(options.first_message); });
  for (std::string line;;) {
    print_text("> ");
    if (!wait_for_input() || !std::getline(std::cin, line) || line == "/exit") break;
    if (line.empty()) continue;
    uninterrupted([&] {
      if (!is_command(chat, line)) chat.answer(line);
    });
  }
  opened.device->save_pipeline_cache();
  return interrupt_flag() ? 130 : 0;
}

}  // namespace regroup::cli
