// Unusual but right GGUF files load, split files join, and split files that do not fit together are refused.
#include <gtest/gtest.h>

#include <limits>

#include "runtime/file/gguf_parser.h"
#include "runtime/file/model_file.h"
#include "runtime/file/split_name.h"
#include "tests/file/file_support.h"
#include "tests/support/gguf_builder.h"

namespace regroup::test {
namespace {

using B = GgufBuilder;

// `count` floats beginning with `first`.
std::string floats(float first, std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += le(first + static_cast<float>(i));
  return bytes;
}

class ValidGguf : public testing::Test {
 protected:
  ModelFile open(const std::string& bytes, const std::string& name = "model.gguf") {
    return ModelFile::open(folder_.write(name, bytes));
  }
  TemporaryFolder folder_;
};

TEST_F(ValidGguf, ShapesAreOutermostFirst) {
  B b;
  b.tensor({.name = "matrix", .dimensions = {4, 3}, .data = floats(1, 12)});
  b.tensor({.name = "vector", .dimensions = {5}, .data = floats(100, 5)});
  b.tensor({.name = "experts", .dimensions = {2, 3, 4, 5}, .data = floats(0, 120)});
  const ModelFile model = open(b.build());
  ASSERT_EQ(model.tensors().size(), 3u);
  const FileTensor* matrix = model.find("matrix");
  ASSERT_NE(matrix, nullptr);
  EXPECT_EQ(matrix->shape, (std::vector<std::uint64_t>{3, 4}));
  EXPECT_EQ(matrix->rows(), 3u);
  EXPECT_EQ(matrix->columns(), 4u);
  EXPECT_EQ(text_of(matrix->bytes), floats(1, 12));
  EXPECT_EQ(model.find("vector")->rows(), 1u);
  EXPECT_EQ(model.find("vector")->columns(), 5u);
  EXPECT_EQ(text_of(model.find("vector")->bytes), floats(100, 5));
  EXPECT_EQ(model.find("experts")->shape, (std::vector<std::uint64_t>{5, 4, 3, 2}));
  EXPECT_EQ(model.find("experts")->elements(), 120u);
  EXPECT_EQ(model.find("other"), nullptr);
  EXPECT_EQ(model.kind(), ModelFileKind::kGguf);
  EXPECT_FALSE(model.vocabulary().has_value());
}

TEST_F(ValidGguf, EveryFormatHasItsSize) {
  B b;
  for (const WeightFormatInfo& format : all_weight_formats()) {
    const std::size_t blocks = 512 / format.block_elements;
    b.tensor({.name = std::string(format.name),
              .dimensions = {256, 2},
              .type = format.gguf_type,
              .data = std::string(blocks * format.block_bytes, '\5')});
  }
  const ModelFile model = open(b.build());
  for (const WeightFormatInfo& format : all_weight_formats()) {
    const FileTensor* tensor = model.find(format.name);
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(tensor->format, format.format);
    EXPECT_EQ(tensor->bytes.size(), 2 * row_bytes(format.format, 256));
  }
}

TEST_F(ValidGguf, OldAndUnusualFilesLoad) {
  B version2;
  version2.version = 2;
  EXPECT_EQ(open(version2.tensor({}).build()).tensors().size(), 1u);

  for (const std::uint32_t alignment : {8u, 16u, 64u, 4096u, 65536u}) {
    B b;
    b.alignment = alignment;
    b.u32("general.alignment", alignment).tensor({.name = "a"}).tensor({.name = "b", .data = floats(7, 4)});
    EXPECT_EQ(text_of(open(b.build()).find("b")->bytes), floats(7, 4)) << alignment;
  }

  // Nothing in it at all, with and without the padding behind the header.
  B nothing;
  EXPECT_TRUE(open(nothing.build()).tensors().empty());
  nothing.pad_end = false;
  EXPECT_TRUE(open(nothing.build()).tensors().empty());
  nothing.u32("a", 1);
  EXPECT_TRUE(open(nothing.build()).tensors().empty());

  B unpadded;
  unpadded.pad_end = false;
  EXPECT_EQ(open(unpadded.tensor({.name = "a"}).tensor({.name = "b"}).build()).tensors().size(), 2u);

  B gaps;
  gaps.gap_bytes = 320;
  gaps.tensor({.name = "a"}).tensor({.name = "b", .data = floats(3, 4)});
  EXPECT_EQ(text_of(open(gaps.build() + "bytes after the end").find("b")->bytes), floats(3, 4));

  B backwards;
  backwards.tensor({.name = "a", .data = floats(0, 4), .offset = 32})
      .tensor({.name = "b", .data = floats(9, 4), .offset = 0});
  const ModelFile model = open(backwards.build());
  EXPECT_EQ(model.tensors()[0].name, "a");
  EXPECT_EQ(text_of(model.find("a")->bytes), floats(9, 4));
  EXPECT_EQ(text_of(model.find("b")->bytes), floats(0, 4));

  const std::string name(128, 'n');
  EXPECT_NE(open(B().tensor({.name = name}).tensor({.name = "\xc3\xa9"}).build()).find(name), nullptr);
}

TEST_F(ValidGguf, ExtrasOfTypesThatAreNoWeightsAreSkipped) {
  B b;
  b.tensor({.name = "exporter.ids", .type = 26}).tensor({.name = "token_embd.weight", .data = floats(5, 4)});
  b.tensor({.name = "imatrix", .dimensions = {2}, .type = 28});
  const ModelFile model = open(b.build());
  ASSERT_EQ(model.tensors().size(), 1u);
  EXPECT_EQ(text_of(model.find("token_embd.weight")->bytes), floats(5, 4));
  EXPECT_EQ(model.skipped_tensors(), (std::vector<std::string>{"exporter.ids", "imatrix"}));
  // But not twice, not misplaced, and not of a type that never was.
  expect_bad_model("model.gguf", "occurs twice",
                   [&] { open(B().tensor({.name = "x", .type = 26}).tensor({.name = "x"}).build()); });
  expect_bad_model("model.gguf", "is not a multiple",
                   [&] { open(B().tensor({.name = "x", .type = 26, .offset = 3}).build()); });
  expect_bad_model("model.gguf", "does not exist", [&] { open(B().tensor({.name = "x", .type = 99}).build()); });
}

TEST_F(ValidGguf, EveryValueTypeIsRead) {
  B b;
  b.raw("u8", B::kU8, le<std::uint8_t>(200)).raw("i8", B::kI8, le<std::int8_t>(-100));
  b.u16("u16", 60000).raw("i16", B::kI16, le<std::int16_t>(-30000)).u32("u32", 4000000000).i32("i32", -2000000000);
  b.f32("f32", 1.5F).boolean("yes", true).boolean("no", false).string("text", "with \x1b and \xff");
  b.u64("u64", std::numeric_limits<std::uint64_t>::max())
      .raw("i64", B::kI64, le(std::numeric_limits<std::int64_t>::min()));
  b.raw("f64", B::kF64, le(2.5)).strings("texts", {"", "a", "bc"}).strings("none", {});
  b.array<std::uint16_t>("numbers", B::kU16, {1, 2, 3});
  b.raw("bools", B::kArray, le<std::uint32_t>(B::kBool) + le<std::uint64_t>(3) + std::string("\1\0\1", 3));
  std::string nested = B::array_value<std::int8_t>(B::kI8, {-1, 2});
  for (int i = 0; i < 3; ++i) nested = le<std::uint32_t>(B::kArray) + le<std::uint64_t>(1) + nested;
  b.raw("nested", B::kArray, nested);
  b.raw("no arrays", B::kArray, le<std::uint32_t>(B::kArray) + le<std::uint64_t>(0));
  const ModelFile model = open(b.build());
  const GgufMetadata& m = model.metadata();

  EXPECT_EQ(m.entries().size(), 19u);
  EXPECT_EQ(m.entries()[2].key, "u16");
  EXPECT_EQ(m.get_u32("u8"), 200u);
  EXPECT_EQ(m.get_i32("i8"), -100);
  EXPECT_EQ(m.get_i32("u16"), 60000);
  EXPECT_EQ(m.get_i32("i16"), -30000);
  EXPECT_EQ(m.get_u32("u32"), 4000000000u);
  EXPECT_EQ(m.get_i32("i32"), -2000000000);
  EXPECT_EQ(m.get_f32("f32"), 1.5F);
  EXPECT_TRUE(m.get_bool("yes"));
  EXPECT_FALSE(m.get_bool("no"));
  EXPECT_EQ(m.get_string("text"), "with \x1b and \xff");
  EXPECT_EQ(m.get_u64("u64"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(m.find_i64("i64"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(m.get_f32("f64"), 2.5F);
  EXPECT_EQ(m.get_strings("texts"), (std::vector<std::string>{"", "a", "bc"}));
  EXPECT_TRUE(m.get_strings("none").empty());
  EXPECT_EQ(m.get_u32s("numbers"), (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(m.get_i32s("numbers"), (std::vector<std::int32_t>{1, 2, 3}));
  const auto& bools = std::get<GgufArray>(*m.find("bools"));
  EXPECT_EQ(std::get<std::vector<bool>>(bools.items), (std::vector<bool>{true, false, true}));
  const GgufArray* inner = &std::get<GgufArray>(*m.find("nested"));
  for (int i = 0; i < 3; ++i) inner = &std::get<std::vector<GgufArray>>(inner->items).at(0);
  EXPECT_EQ(std::get<std::vector<std::int8_t>>(inner->items), (std::vector<std::int8_t>{-1, 2}));
  EXPECT_EQ(std::get<GgufArray>(*m.find("no arrays")).size(), 0u);
}

TEST_F(ValidGguf, VocabularyIsFilled) {
  B b;
  b.string("tokenizer.ggml.model", "gpt2")
      .string("tokenizer.ggml.pre", "smollm")
      .strings("tokenizer.ggml.tokens", {"a", "b", "ab"});
  b.strings("tokenizer.ggml.merges", {"a b"}).array<std::uint32_t>("tokenizer.ggml.token_type", B::kU32, {1, 0, 3});
  b.u64("tokenizer.ggml.bos_token_id", 2)
      .u16("tokenizer.ggml.eos_token_id", 0)
      .u32("tokenizer.ggml.padding_token_id", 0xffffffff);
  b.i32("tokenizer.ggml.unknown_token_id", -1).boolean("tokenizer.ggml.add_bos_token", false);
  b.string("tokenizer.chat_template", "{{ x }}\n");
  b.tensor({.name = "token_embd.weight", .dimensions = {4, 3}, .data = floats(0, 12)});
  const ModelFile model = open(b.build());
  ASSERT_TRUE(model.vocabulary().has_value());
  const Vocabulary& v = *model.vocabulary();
  EXPECT_EQ(v.kind, VocabularyKind::kByteLevelBpe);
  EXPECT_EQ(v.pre_tokenizer, "smollm");
  EXPECT_EQ(v.tokens, (std::vector<std::string>{"a", "b", "ab"}));
  EXPECT_EQ(v.merges, (std::vector<std::string>{"a b"}));
  EXPECT_EQ(v.types, (std::vector<TokenType>{TokenType::kNormal, TokenType::kNormal, TokenType::kControl}));
  EXPECT_TRUE(v.scores.empty());
  EXPECT_EQ(v.bos, 2u);
  EXPECT_EQ(v.eos, 0u);
  EXPECT_FALSE(v.pad || v.unk || v.eot || v.eom);
  EXPECT_EQ(v.add_bos, false);
  EXPECT_FALSE(v.add_eos.has_value());
  EXPECT_EQ(v.chat_template, "{{ x }}\n");
  EXPECT_EQ(model.chat_template(), "{{ x }}\n");
}

TEST_F(ValidGguf, UnigramVocabularyIsFilled) {
  B b;
  b.string("tokenizer.ggml.model", "t5").strings("tokenizer.ggml.tokens", {"<unk>", "<0x0a>", "a"});
  b.array<float>("tokenizer.ggml.scores", B::kF32, {0, -1.5F, -2})
      .array<std::int32_t>("tokenizer.ggml.token_type", B::kI32, {2, 6, 1});
  b.array<std::int8_t>("tokenizer.ggml.precompiled_charsmap", B::kI8, {-1, 5})
      .boolean("tokenizer.ggml.remove_extra_whitespaces", true);
  const ModelFile model = open(b.build());
  ASSERT_TRUE(model.vocabulary().has_value());
  EXPECT_EQ(model.vocabulary()->kind, VocabularyKind::kUnigram);
  EXPECT_EQ(model.vocabulary()->scores, (std::vector<float>{0, -1.5F, -2}));
  EXPECT_EQ(model.vocabulary()->precompiled_charsmap, (std::vector<std::uint8_t>{255, 5}));
  EXPECT_EQ(model.vocabulary()->remove_extra_whitespaces, true);
}

TEST_F(ValidGguf, NoTokenizerIsNoVocabulary) {
  EXPECT_FALSE(open(B().string("tokenizer.ggml.model", "none").build()).vocabulary().has_value());
  EXPECT_FALSE(open(B().string("tokenizer.ggml.model", "no_vocab").build()).vocabulary().has_value());
  EXPECT_FALSE(open(B().build()).vocabulary().has_value());
}

TEST_F(ValidGguf, LinksAreFollowed) {
  const fs::path target = folder_.write("blob", B().tensor({}).build());
  const fs::path link = folder_.path() / "model.gguf";
  fs::create_symlink(target, link);
  EXPECT_EQ(ModelFile::open(link).tensors().size(), 1u);
}

TEST_F(ValidGguf, OpenedFileSurvivesMovesAndReleasedPages) {
  const std::string data = floats(0, 100000);
  ModelFile model = open(B().tensor({.name = "big", .dimensions = {1000, 100}, .data = data}).build());
  ModelFile moved = std::move(model);
  EXPECT_EQ(moved.file_bytes(), fs::file_size(moved.path()));
  const FileTensor* tensor = moved.find("big");
  ASSERT_NE(tensor, nullptr);
  moved.release_pages(tensor->bytes);
  moved.release_pages(tensor->bytes.subspan(5, 1));
  moved.release_pages({});
  EXPECT_EQ(text_of(tensor->bytes), data);
}

TEST_F(ValidGguf, PathsThatCannotBeOpenedAreExplained) {
  const fs::path missing = folder_.path() / "no\x1bne.gguf";
  expect_error(ErrorCode::kFailed, "no\\u{1b}ne.gguf",
               "No such file or directory; give a .gguf file or a Hugging Face directory",
               [&] { ModelFile::open(missing); });
  folder_.write("file", "");
  expect_error(ErrorCode::kFailed, "file/x", "Not a directory",
               [&] { ModelFile::open(folder_.path() / "file" / "x"); });
  expect_bad_model("/dev/null", "is a device, pipe or socket", [] { ModelFile::open("/dev/null"); });
}

// Shards of a split model.
class SplitGguf : public ValidGguf {
 protected:
  static B shard(std::uint16_t number, std::uint16_t count, std::int32_t tensors) {
    B b;
    if (number == 0) b.string("general.name", "split");
    b.u16("split.no", number).u16("split.count", count).i32("split.tensors.count", tensors);
    return b;
  }
  void write(std::uint32_t number, std::uint32_t count, const B& b) {
    folder_.write(make_split_name("m", number, count), b.build());
  }
  fs::path first(std::uint32_t count) const { return folder_.path() / make_split_name("m", 1, count); }
  void refuse(std::uint32_t count, std::string_view file, std::string_view says) {
    expect_bad_model(file, says, [&] { ModelFile::open(first(count)); });
  }
};

TEST_F(SplitGguf, ShardsAreJoined) {
  write(1, 3, shard(0, 3, 3));  // the first may have no tensors at all
  write(2, 3, shard(1, 3, 3).tensor({.name = "a", .data = floats(1, 4)}).tensor({.name = "b", .data = floats(2, 4)}));
  write(3, 3, shard(2, 3, 3).tensor({.name = "c", .data = floats(3, 4)}));
  const ModelFile model = ModelFile::open(first(3));
  ASSERT_EQ(model.tensors().size(), 3u);
  EXPECT_EQ(model.tensors()[2].name, "c");
  EXPECT_EQ(text_of(model.find("b")->bytes), floats(2, 4));
  EXPECT_EQ(text_of(model.find("c")->bytes), floats(3, 4));
  EXPECT_EQ(model.metadata().get_string("general.name"), "split");
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder_.path())) bytes += entry.file_size();
  EXPECT_EQ(model.file_bytes(), bytes);
}

TEST_F(SplitGguf, OneOfOneNeedsNoKeys) {
  write(1, 1, B().tensor({}));
  EXPECT_EQ(ModelFile::open(first(1)).tensors().size(), 1u);
}

TEST_F(SplitGguf, WrongShardsAreRefused) {
  const auto tensor = [](const char* name) { return B::Tensor{.name = name}; };
  write(1, 2, shard(0, 2, 2).tensor(tensor("a")));
  refuse(2, "m-00001-of-00002.gguf", "shard 2 of 2, 'm-00002-of-00002.gguf', is not beside it");

  write(2, 2, shard(1, 2, 2).tensor(tensor("b")));
  EXPECT_EQ(ModelFile::open(first(2)).tensors().size(), 2u);
  expect_bad_model("m-00002-of-00002.gguf", "is shard 2 of 2; give the first, 'm-00001-of-00002.gguf'",
                   [&] { ModelFile::open(folder_.path() / make_split_name("m", 2, 2)); });

  write(2, 2, shard(0, 2, 2).tensor(tensor("b")));
  refuse(2, "m-00002-of-00002.gguf", "key 'split.no' is 0, expected 1");
  write(2, 2, shard(1, 3, 2).tensor(tensor("b")));
  refuse(2, "m-00002-of-00002.gguf", "key 'split.count' is 3, expected 2");
  write(2, 2, shard(1, 2, 2).tensor(tensor("a")));
  refuse(2, "m-00002-of-00002.gguf", "tensor 'a' is also in an earlier shard");
  write(2, 2, shard(1, 2, 2).tensor(tensor("b")).tensor(tensor("c")));
  refuse(2, "m-00001-of-00002.gguf", "key 'split.tensors.count' is 2, but the shards have 3 tensors");
  write(2, 2, B().tensor(tensor("b")));
  refuse(2, "m-00002-of-00002.gguf", "key 'split.no' is missing");
  folder_.write(make_split_name("m", 2, 2), "GGUF");
  refuse(2, "m-00002-of-00002.gguf", "version needs 4 bytes");
  folder_.write(make_split_name("m", 2, 2), "");
  refuse(2, "m-00002-of-00002.gguf", "magic needs 4 bytes");
  fs::remove(folder_.path() / make_split_name("m", 2, 2));
  fs::create_directory(folder_.path() / make_split_name("m", 2, 2));
  refuse(2, "m-00002-of-00002.gguf", "is a directory where a file was expected");

  write(1, 2, B().tensor(tensor("a")));
  refuse(2, "m-00001-of-00002.gguf", "key 'split.no' is missing");
  write(1, 2, B().string("split.no", "../../x").u16("split.count", 2));
  refuse(2, "m-00001-of-00002.gguf", "key 'split.no' is the string '../../x'");
  write(1, 2, shard(0, 3, 2));
  refuse(2, "m-00001-of-00002.gguf", "key 'split.count' is 3, expected 2");
  write(1, 1, shard(0, 1, 5).tensor(tensor("a")));
  refuse(1, "m-00001-of-00001.gguf", "is 5, but the shards have 1 tensors");
}

TEST_F(SplitGguf, ShardUnderAnotherNameIsRefused) {
  expect_bad_model("model.gguf", "key 'split.count' is 2, but the file is not named like 'NAME-00001-of-00002.gguf'",
                   [&] { open(shard(0, 2, 2).build()); });
}

TEST(SplitName, IsParsedStrictly) {
  const auto name = parse_split_name("a-b-00002-of-00010.gguf");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->prefix, "a-b");
  EXPECT_EQ(name->number, 2u);
  EXPECT_EQ(name->count, 10u);
  EXPECT_EQ(make_split_name(name->prefix, name->number, name->count), "a-b-00002-of-00010.gguf");
  for (const char* other :
       {"a.gguf", "-00001-of-00002.gguf", "a-00003-of-00002.gguf", "a-00000-of-00002.gguf", "a-0001-of-00002.gguf",
        "a-00001-of-0000x.gguf", "a-+0001-of-00002.gguf", "a-00001-of-00002.bin", "a_00001-of-00002.gguf", ""}) {
    EXPECT_FALSE(parse_split_name(other).has_value()) << other;
  }
}

}  // namespace
}  // namespace regroup::test
