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

void say(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

Conversation::Conversation(const Tokenizer& tokenizer, const std::string& system, bool quiet)
    : tokenizer_(tokenizer), template_(tokenizer), quiet_(quiet) {
  if (!system.empty()) messages_.push_back({"system", system});
}

std::vector<std::uint32_t> Conversation::user_turn(const std::string& text) {
  messages_.push_back({"user", text});
  const ChatText rendered = template_.render(messages_, true);
  if (!rendered.warning.empty() && !quiet_) note(rendered.warning);
  return tokenizer_.encode(rendered.text, {.add_special = false, .parse_special = true});
}

int chat_on_terminal(OpenModel& opened, ChatOptions options) {
  Conversation conversation(*opened.tokenizer, options.system, options.open.device.quiet);
  LastingSession lasting(opened, options.open, options.sampling);
  const auto answer = [&](const std::string& message) {
    const std::vector<std::uint32_t> ids = conversation.user_turn(message);
    Session& session = lasting.get();
    // At least one token is fed, so that there are logits to choose from.
    const auto kept = std::min(shared_prefix(session.tokens(), ids), static_cast<std::uint32_t>(ids.size()) - 1);
    session.rewind(kept);
    interrupt_flag() = false;
    const GenerateResult result = generate(session, &*opened.tokenizer, std::span(ids).subspan(kept),
                                           {.max_tokens = options.max_tokens,
                                            .stops = options.stops,
                                            .on_text = say,
                                            .on_prefill = progress_on_stderr(options.open.device.quiet),
                                            .cancel = &interrupt_flag(),
                                            .recover = [&](const Error& f) { return lasting.recover(f); }});
    interrupt_flag() = false;  // Ctrl-C ends the answer, not the conversation
    say("\n");
    conversation.assistant_turn(result.text);
  };
  if (!options.first_message.empty()) answer(options.first_message);
  for (std::string line;;) {
    say("> ");
    if (!std::getline(std::cin, line) || line == "/exit") break;
    if (line.empty()) continue;
    if (line.starts_with("/groups ")) {
      try {
        OpenOptions open = options.open;
        GroupsChoice& choice = open.groups;
        choice.groups = line.substr(8);
        selftest::require_kernels(*opened.device, opened.profile, kernel_needs(opened.file, open));
        const auto groups = resolve_groups(opened, choice, options.open.device.quiet);
        std::unique_ptr<Grouping> grouping = make_grouping(opened, choice, groups, options.open.device.quiet);
        Session& session = lasting.get();
        session.regroup(*grouping, RegroupMode::kReprefill);
        opened.grouping = std::move(grouping);
        options.open.groups = choice;
        note(fmt::format("G is {} now, the KV cache takes {}", groups_text(groups),
                         human_bytes(session.cache().bytes())));
      } catch (const Error& error) {
        note(error.what());
      }
      continue;
    }
    try {
      answer(line);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUsage) throw;
      note(error.what());  // a conversation longer than the context, or one that the template refuses
    }
  }
  opened.device->save_pipeline_cache();
  return 0;
}

}  // namespace regroup::cli
