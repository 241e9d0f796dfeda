// Streaming: whole characters only, stop texts held back, nothing lost.
#include "runtime/text/stream_decoder.h"

#include "runtime/text/space_symbol.h"
#include "tests/text/fixture.h"

namespace regroup {
namespace {

// A byte-level vocabulary in which token b is byte b, then a few words and control tokens.
Vocabulary byte_vocabulary() {
  Vocabulary vocabulary;
  vocabulary.kind = VocabularyKind::kSentencePiece;
  for (int byte = 0; byte < 256; ++byte) {
    char token[7];
    std::snprintf(token, sizeof token, "<0x%02X>", static_cast<unsigned>(byte));
    vocabulary.tokens.push_back(token);
    vocabulary.types.push_back(TokenType::kByte);
  }
  for (const char* word : {"\xe2\x96\x81Hello", "\xe2\x96\x81", "<eos>", "STOP", "ST"}) {
    vocabulary.tokens.push_back(word);
    vocabulary.types.push_back(std::string_view(word) == "<eos>" ? TokenType::kControl : TokenType::kNormal);
  }
  vocabulary.scores.assign(vocabulary.tokens.size(), 0.0f);
  vocabulary.bos = vocabulary.eos = 258;
  vocabulary.unk = 0;
  return vocabulary;
}

std::vector<std::string> feed_bytes(StreamDecoder& decoder, std::string_view bytes) {
  std::vector<std::string> parts;
  for (const char byte : bytes) parts.push_back(decoder.feed(static_cast<unsigned char>(byte)));
  return parts;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

TEST(StreamDecoder, NeverPrintsHalfACharacter) {
  const Tokenizer tokenizer(byte_vocabulary());
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(feed_bytes(decoder,
                       "a\xf0\x9f\x98\x80"
                       "b"),
            (std::vector<std::string>{"a", "", "", "", "\xf0\x9f\x98\x80", "b"}));
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, ReplacesBytesThatAreNoCharacter) {
  const Tokenizer tokenizer(byte_vocabulary());
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(joined(feed_bytes(decoder,
                              "\xff"
                              "a\xe2\x82"
                              "b\xf0\x9f")),
            "\xef\xbf\xbd"
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(decoder.finish(), "\xef\xbf\xbd");
}

TEST(StreamDecoder, HoldsBackWhatMayBecomeAStop) {
  const Tokenizer tokenizer(byte_vocabulary());
  StreamDecoder decoder(tokenizer, {.stops = {"\nUser:"}});
  EXPECT_EQ(joined(feed_bytes(decoder, "hi\nUs")), "hi");
  EXPECT_EQ(decoder.feed('a'), "\nUsa");
  EXPECT_FALSE(decoder.stopped());
  EXPECT_EQ(joined(feed_bytes(decoder, "\n\nUser: more")), "\n");
  EXPECT_TRUE(decoder.stopped());
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, FindsAStopInTheMiddleOfATokenAndTheFirstOfSeveral) {
  const Tokenizer tokenizer(byte_vocabulary());
  StreamDecoder decoder(tokenizer, {.stops = {"OP", "TO", ""}});
  EXPECT_EQ(decoder.feed(259), "S");
  EXPECT_TRUE(decoder.stopped());
}

TEST(StreamDecoder, GivesHeldTextBackAtTheEnd) {
  const Tokenizer tokenizer(byte_vocabulary());
  StreamDecoder decoder(tokenizer, {.stops = {"STOP"}});
  EXPECT_EQ(decoder.feed(260), "");
  EXPECT_EQ(decoder.finish(), "ST");
}

TEST(StreamDecoder, ShowsControlTokensOnlyWhenAsked) {
  const Tokenizer tokenizer(byte_vocabulary());
  StreamDecoder quiet(tokenizer), loud(tokenizer, {.show_special = true});
  EXPECT_EQ(quiet.feed(258), "");
  EXPECT_EQ(loud.feed(258), "<eos>");
}

TEST(StreamDecoder, KeepsTheSpaceInsideATextOnly) {
  const Tokenizer tokenizer(byte_vocabulary());
  StreamDecoder inside(tokenizer), start(tokenizer, {.starts_text = true});
  EXPECT_EQ(inside.feed(256), " Hello");
  EXPECT_EQ(start.feed(256), "Hello");
  EXPECT_EQ(start.feed(256), " Hello");
}

// Whatever the tokens, the stream is the decoded text (the space symbol is a space from then on).
TEST(StreamDecoder, GivesTheSameTextAsDecodingAtOnce) {
  const Tokenizer tokenizer(byte_vocabulary());
  for (const std::string& text : recorded_texts()) {
    StreamDecoder decoder(tokenizer, {.stops = {"never in there"}});
    std::string streamed;
    for (const std::uint32_t id : tokenizer.encode(text, {.add_special = false})) streamed += decoder.feed(id);
    streamed += decoder.finish();
    EXPECT_EQ(streamed, text.empty() ? "" : " " + with_plain_spaces(text));
  }
}

}  // namespace
}  // namespace regroup
