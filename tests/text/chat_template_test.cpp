// Conversations as text: the models' own templates, the built-in ones, and what stands in when a template cannot be
// run.
#include "runtime/text/chat_template.h"

#include "runtime/core/error.h"
#include "runtime/text/hugging_face.h"
#include "tests/text/fixture.h"

namespace regroup {
namespace {

using nlohmann::json;

Tokenizer tokenizer_with(const std::string& chat_template, const std::vector<std::string>& more_tokens = {}) {
  Vocabulary vocabulary;
  vocabulary.kind = VocabularyKind::kSentencePiece;
  vocabulary.tokens = {"<unk>", "<s>", "</s>", "a"};
  vocabulary.tokens.insert(vocabulary.tokens.end(), more_tokens.begin(), more_tokens.end());
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kControl);
  vocabulary.scores.assign(vocabulary.tokens.size(), 0.0f);
  vocabulary.chat_template = chat_template;
  return Tokenizer(vocabulary);
}

std::vector<ChatMessage> messages_of(const json& chat) {
  std::vector<ChatMessage> messages;
  for (const json& message : chat.at("messages")) messages.push_back({message.at("role"), message.at("content")});
  return messages;
}

TEST(ChatTemplate, RendersPublishedTemplatesAsTransformers) {
  const json fixture = read_fixture("templates");
  for (const json& chat : fixture.at("chats")) {
    const ChatTemplate model(tokenizer_with(fixture.at("published").at(chat.at("format").get<std::string>())));
    EXPECT_EQ(model.name(), "model");
    if (chat.at("output").is_null()) {
      EXPECT_THROW(model.render(messages_of(chat), chat.at("add_generation_prompt")), Error) << chat;
      continue;
    }
    const ChatText text = model.render(messages_of(chat), chat.at("add_generation_prompt"));
    EXPECT_EQ(text.text, chat.at("output").get<std::string>()) << chat;
    EXPECT_EQ(text.warning, "");
  }
}

// The built-in of the same format stands in for a template that cannot be read, with a warning, and gives the same
// text.
TEST(ChatTemplate, FallsBackToTheBuiltInItResembles) {
  const json fixture = read_fixture("templates");
  for (const json& chat : fixture.at("chats")) {
    const auto format = chat.at("format").get<std::string>();
    const ChatTemplate built_in(
        tokenizer_with(fixture.at("published").at(format).get<std::string>() + "{% include 'more' %}"));
    EXPECT_EQ(built_in.name(), format);
    // Mistral's published template has no system messages, the built-in one does.
    const bool more_able = format == "mistral" && chat.at("messages")[0].at("role") == "system";
    if (more_able) continue;
    if (chat.at("output").is_null()) {
      EXPECT_THROW(built_in.render(messages_of(chat), chat.at("add_generation_prompt")), Error) << chat;
      continue;
    }
    const ChatText text = built_in.render(messages_of(chat), chat.at("add_generation_prompt"));
    EXPECT_EQ(text.text, chat.at("output").get<std::string>()) << chat;
    EXPECT_NE(text.warning.find("include"), std::string::npos) << text.warning;
  }
}

TEST(ChatTemplate, FallsBackWhenTheTemplateFailsWhileItRuns) {
  const ChatTemplate model(tokenizer_with("{{ messages[0].nothing.here }}<|im_start|>"));
  EXPECT_EQ(model.name(), "model");
  const ChatText text = model.render({{"user", "hi"}}, true);
  EXPECT_EQ(text.text, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_NE(text.warning, "");
}

constexpr const char* kAllSpecialTokens =
    "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}|{{ pad_token }}|{{ sep_token }}|{{ cls_token }}|{{ mask_token }}|"
    "{{ bos_token is defined }}|{{ pad_token is defined }}|{{ mask_token is defined }}";

// As in transformers: every special token that the model's files name, and no others.
TEST(ChatTemplate, IsGivenTheSpecialTokensThatThereAre) {
  Vocabulary vocabulary;
  vocabulary.tokens = {"<u>", "<p>", "<e>", "<b>"};
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kControl);
  vocabulary.chat_template = kAllSpecialTokens;
  const auto text = [&] { return ChatTemplate(Tokenizer(vocabulary)).render({}, false).text; };
  EXPECT_EQ(text(), "|||||||False|False|False");
  vocabulary.unk = 0;
  vocabulary.pad = 1;
  vocabulary.eos = 2;
  vocabulary.bos = 3;
  EXPECT_EQ(text(), "<b>|<e>|<u>|<p>||||True|True|False");
  vocabulary.unk = 4;  // a byte-level vocabulary's is not used, and files have any number there
  EXPECT_EQ(text(), "<b>|<e>||<p>||||True|True|False");
}

TEST(ChatTemplate, IsGivenTheSpecialTokensOfTokenizerConfig) {
  const std::string tokenizer = R"({"model": {"type": "BPE", "vocab": {"a": 0, "<m>": 1, "<c>": 2, "<s>": 3, "<u>": 4},
      "merges": []}, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}})";
  json config = {{"cls_token", "<c>"},   {"mask_token", {{"content", "<m>"}}},
                 {"sep_token", "<s>"},   {"unk_token", "<u>"},
                 {"pad_token", nullptr}, {"bos_token", "<not there>"}};
  config["chat_template"] = kAllSpecialTokens;
  const std::string config_text = config.dump();
  HuggingFaceTexts texts;
  texts.tokenizer_json = tokenizer;
  texts.tokenizer_config_json = config_text;
  EXPECT_EQ(ChatTemplate(Tokenizer(spec_from_hugging_face(texts))).render({}, false).text,
            "||<u>||<s>|<c>|<m>|False|False|True");
}

// The built-in templates need neither.
TEST(ChatTemplate, BuiltInsDoWithoutBosAndEos) {
  Vocabulary vocabulary;
  vocabulary.tokens = {"a", "<|start_header_id|>", "<start_of_turn>", "[INST]", "<<SYS>>"};
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kControl);
  for (const char* source : {"<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "[INST]", "[INST]<<SYS>>"}) {
    vocabulary.chat_template = std::string(source) + "{% include 'more' %}";
    const ChatTemplate built_in{Tokenizer(vocabulary)};
    EXPECT_NE(built_in.render({{"user", "x"}, {"assistant", "y"}}, false).text, "") << built_in.name();
  }
}

TEST(ChatTemplate, IsChosenByTheVocabularyWhenThereIsNoTemplate) {
  EXPECT_EQ(ChatTemplate(tokenizer_with("", {"<|im_start|>"})).name(), "chatml");
  EXPECT_EQ(ChatTemplate(tokenizer_with("", {"<|start_header_id|>"})).name(), "llama3");
  EXPECT_EQ(ChatTemplate(tokenizer_with("", {"<start_of_turn>"})).name(), "gemma");
  EXPECT_EQ(ChatTemplate(tokenizer_with("", {"[INST]"})).name(), "mistral");
  EXPECT_EQ(ChatTemplate(tokenizer_with("", {"<|im_start|>"})).render({{"user", "x"}}, false).warning, "");
  EXPECT_NE(ChatTemplate(tokenizer_with("")).render({{"user", "x"}}, false).warning, "");
}

TEST(ChatTemplate, ReportsARefusalAsTheUsersMistake) {
  const ChatTemplate model(tokenizer_with("{{ raise_exception('no \x1b[31msystem') }}"));
  try {
    model.render({{"system", "x"}}, true);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_EQ(std::string(error.what()).find('\x1b'), std::string::npos);
  }
}

TEST(ChatTemplate, TakesLongConversations) {
  const ChatTemplate model(tokenizer_with(read_fixture("templates").at("published").at("llama3")));
  std::vector<ChatMessage> messages;
  for (int i = 0; i < 300; ++i) messages.push_back({i % 2 == 0 ? "user" : "assistant", std::string(20'000, 'x')});
  EXPECT_GT(model.render(messages, true).text.size(), std::size_t{6'000'000});
}

}  // namespace
}  // namespace regroup
