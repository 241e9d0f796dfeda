// Fuzz targets of the text layer: tokenizer files, chat templates, and a user's text.
#include <stdexcept>

#include "runtime/core/json.h"
#include "runtime/core/utf8.h"
#include "runtime/file/model_file.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/hugging_face.h"
#include "runtime/text/sentencepiece_model.h"
#include "runtime/text/stream_decoder.h"
#include "tests/fuzz/targets.h"

namespace regroup::test {

namespace fs = std::filesystem;

namespace {

const fs::path kData = fs::path(REGROUP_SOURCE_DIR) / "tests" / "data" / "text";
constexpr std::string_view kSampleText = "Hello, w\xc3\xb6rld! 12345 <|im_end|></s>\n\n  \xe4\xbd\xa0\xe5\xa5\xbd";

void use(const Tokenizer& tokenizer) {
  const auto ids = tokenizer.encode(kSampleText);
  (void)tokenizer.decode(ids, true);
  for (std::uint32_t id = 0; id < tokenizer.vocabulary_size() && id < 64; ++id) (void)tokenizer.piece(id);
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    if (!step.valid) return false;
    at += step.bytes;
  }
  return true;
}

// One of each kind.
struct Tokenizers {
  Tokenizer byte_level =
      Tokenizer(*ModelFile::open(fs::path(REGROUP_SOURCE_DIR) / "assets" / "regroup-3m.gguf").vocabulary());
  Tokenizer sentencepiece = from_model("sentencepiece_bpe.model");
  Tokenizer unigram = from_model("unigram.model");

  static Tokenizer from_model(const std::string& name) {
    const std::string bytes = read_file(kData / name);
    return Tokenizer(read_sentencepiece_model(std::as_bytes(std::span(bytes))));
  }
};

}  // namespace

void fuzz_tokenizer_json(Input input) {
  const std::string_view text = text_of_input(input);
  static const std::string right =
      nlohmann::json::parse(read_file(kData / "gpt2.json")).at("tokenizer_json").get<std::string>();
  may_refuse([&] {
    const bool beside = !text.empty() && (text[0] & 1) != 0 && text[0] != '{';
    HuggingFaceTexts texts;
    texts.tokenizer_json = beside ? std::string_view(right) : text;
    if (beside) texts.tokenizer_config_json = text.substr(1);
    use(Tokenizer(spec_from_hugging_face(texts)));
  });
}

void fuzz_sentencepiece(Input input) {
  may_refuse([&] { use(Tokenizer(read_sentencepiece_model(input))); });
}

void fuzz_chat_template(Input input) {
  Vocabulary vocabulary;
  vocabulary.pre_tokenizer = "gpt-2";
  vocabulary.tokens = {"<s>", "</s>", "<|im_start|>", "<|im_end|>", "a"};
  vocabulary.types = {TokenType::kControl, TokenType::kControl, TokenType::kControl, TokenType::kControl,
                      TokenType::kNormal};
  vocabulary.bos = 0;
  vocabulary.eos = 1;
  vocabulary.chat_template = text_of_input(input);
  may_refuse([&] {
    const Tokenizer tokenizer(vocabulary);
    const ChatTemplate chat(tokenizer);
    const std::vector<ChatMessage> messages = {
        {"system", "Be brief."}, {"user", "Hi <|im_end|> {{ x }}"}, {"assistant", "Hello"}, {"user", "Why?"}};
    (void)chat.render(messages, true);
    (void)chat.render({messages[1]}, false);
  });
}

void fuzz_text(Input input) {
  static const Tokenizers tokenizers;
  const std::string_view text = text_of_input(input);
  const auto decoded = [&](const Tokenizer& tokenizer, const std::vector<std::uint32_t>& ids) {
    StreamDecoder stream(tokenizer, {.stops = {"stop"}});
    for (const std::uint32_t id : ids) {
      if (!is_valid_utf8(stream.feed(id))) throw std::logic_error("streamed text that is no UTF-8");
    }
    if (!is_valid_utf8(stream.finish())) throw std::logic_error("streamed text that is no UTF-8");
    return tokenizer.decode(ids);
  };
  may_refuse([&] {
    const EncodeOptions plain{.add_special = false, .parse_special = false};
    const std::string back = decoded(tokenizers.byte_level, tokenizers.byte_level.encode(text, plain));
    if (is_valid_utf8(text) && back != text) throw std::logic_error("byte-level text does not come back");
    for (const Tokenizer* tokenizer : {&tokenizers.byte_level, &tokenizers.sentencepiece, &tokenizers.unigram})
      (void)decoded(*tokenizer, tokenizer->encode(text));
  });
}

}  // namespace regroup::test
