// Malformed GGUF files, one row each: what is wrong, and what the refusal must say.
#include <gtest/gtest.h>

#include <limits>

#include "runtime/file/ceilings.h"
#include "runtime/file/gguf_parser.h"
#include "runtime/file/gguf_vocabulary.h"
#include "runtime/file/model_file.h"
#include "tests/file/file_support.h"
#include "tests/file/largest_allocation.h"
#include "tests/support/gguf_builder.h"

namespace regroup::test {
namespace {

using B = GgufBuilder;
using T = GgufBuilder::Tensor;

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kTop = std::uint64_t{1} << 63;

B changed(void (*change)(B&)) {
  B builder;
  change(builder);
  return builder;
}

// Bytes up to and including the counts.
std::string start(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
  return "GGUF" + le(version) + le(tensors) + le(keys);
}

std::string with_pair(std::string pair, std::string_view more = "") {
  return B().raw_pair(std::move(pair)).header() + std::string(more);
}

std::string with_value(std::uint32_t type, std::string_view value) {
  return with_pair(counted("k") + le(type) + std::string(value));
}

std::string with_tensor(T tensor) {
  return B().tensor(std::move(tensor)).build();
}

std::string without_end(std::string bytes, std::size_t count) {
  bytes.resize(bytes.size() - count);
  return bytes;
}

Cases header_cases() {
  Cases add;
  add("empty", "", "is empty");
  add("three bytes", "GGU", "begins with 'GGU'");
  add("other magic", "GGXF" + std::string(60, '\0'), "not with 'GGUF'");
  add("escape in magic", "\x1b[2J" + std::string(60, '\0'), "\\u{1b}[2J");
  add("byte-swapped magic", "FUGG" + std::string(60, '\0'), "byte-swapped");
  add("old ggml", "tjgg" + std::string(60, '\0'), "old GGML");
  add("pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer");
  add("web page", "<!DOCTYPE html><html></html>", "web page");
  add("pickle", "PK\x03\x04" + std::string(60, '\0'), "pickle");
  add("json", "{\"a\":1}", "JSON text");
  add("safetensors", le<std::uint64_t>(8) + "{}      ", "safetensors");
  add("magic only", "GGUF", "version needs 4 bytes at offset 4, the file has 0 left");
  add("half a version", std::string("GGUF\3\0", 6), "version needs 4 bytes");
  add("version 0", start(0, 0, 0), "version is 0");
  add("version 1", start(0, 0, 1), "version 1, which is obsolete");
  add("version 4", start(0, 0, 4), "version is 4");
  add("version huge", start(0, 0, 0xffffffff), "version is 4294967295");
  add("big-endian", start(0, 0, 0x03000000), "big-endian");
  add("big-endian version 2", start(0, 0, 0x02000000), "big-endian");
  add("no counts", "GGUF" + le<std::uint32_t>(3), "tensor count needs 8 bytes");
  add("no key count", "GGUF" + le<std::uint32_t>(3) + le<std::uint64_t>(0), "key count needs 8 bytes");
  add("tensor count all ones", start(kHuge, 0), "tensor count is 18446744073709551615");
  add("tensor count top bit", start(kTop, 0), "tensor count is");
  add("tensor count wraps", start((kHuge / 24) + 2, 0), "tensor count is");
  add("tensor count of one, none there", start(1, 0), "tensor count is 1");
  add("tensor count one too many", changed([](B& b) { b.tensor_count = 2, b.tensor({}); }).build(),
      "tensor number 2 of 2");
  add("tensor count one too few", changed([](B& b) { b.tensor_count = 1, b.tensor({}).tensor({.name = "u"}); }).build(),
      "counts 1 tensors, but their list goes on");
  add("tensor count above the ceiling", start(kMaxTensors + 1, 0) + std::string((kMaxTensors + 1) * 33, '\0'),
      "tensor count is 262145");
  add("key count all ones", start(0, kHuge), "key count is 18446744073709551615");
  add("key count top bit", start(0, kTop), "key count is");
  add("key count wraps", start(0, (kHuge / 13) + 2), "key count is");
  add("key count one too many",
      changed([](B& b) { b.key_count = 2, b.u32("a", 1), b.pad_end = false; }).build() + std::string(8, '\0'),
      "key count is 2");
  add("key count above the ceiling", start(0, kMaxMetadataKeys + 1) + std::string((kMaxMetadataKeys + 1) * 14, '\0'),
      "at most 65536 keys");
  return add;
}

Cases key_cases() {
  Cases add;
  add("key length all ones", with_pair(le(kHuge), std::string(64, 'k')), "key needs 18446744073709551615 bytes");
  add("key length top bit", with_pair(le(kTop), std::string(64, 'k')), "key needs");
  add("key length a gigabyte", with_pair(le<std::uint64_t>(1 << 30), std::string(64, 'k')),
      "key needs 1073741824 bytes");
  add("key empty", with_pair(counted("") + le<std::uint32_t>(4) + le(1) + le(1)), "has 0 bytes, expected 1 to 65535");
  add("key too long", B().u32(std::string(65536, 'k'), 1).build(), "has 65536 bytes");
  add("key with zero", B().u32(std::string_view("a\0b", 3), 1).build(), "'a\\u{0}b' is not printable ASCII");
  add("key with escape", B().u32("a\x1b[31m", 1).build(), "\\u{1b}");
  add("key with newline", B().u32("a\nb", 1).build(), "\\u{a}");
  add("key not ASCII", B().u32("k\xc3\xa9y", 1).build(), "not printable ASCII");
  add("key not UTF-8", B().u32("k\xff", 1).build(), "\\xff");
  add("key twice", B().u32("a", 1).u32("a", 1).build(), "key 'a': occurs twice");
  add("key twice, other type", B().u32("general.alignment", 32).string("b", "").u64("general.alignment", 64).build(),
      "occurs twice");
  add("value type 13", with_value(13, std::string(16, '\0')), "value type is 13");
  add("value type -1", with_value(0xffffffff, std::string(16, '\0')), "value type is 4294967295");
  add("value type top bit", with_value(0x80000000, std::string(16, '\0')), "value type is 2147483648");
  add("value type cut off", with_pair(counted("kkkk") + std::string(2, '\0')), "value type needs 4 bytes");
  add("bool 2", with_value(B::kBool, "\2"), "bool has value 2");
  add("bool 255", with_value(B::kBool, "\xff"), "bool has value 255");
  add("string length all ones", with_value(B::kString, le(kHuge)), "string needs 18446744073709551615 bytes");
  add("string length minus 8", with_value(B::kString, le(kHuge - 7)), "string needs");
  add("string one too long", with_value(B::kString, le<std::uint64_t>(5) + "abcd"), "string needs 5 bytes");
  add("string a gigabyte", with_value(B::kString, le<std::uint64_t>(1 << 30) + "abcd"), "string needs 1073741824");
  add("string length cut off", with_value(B::kString, "\1\0\0"), "string needs 8 bytes");

  const std::pair<std::uint32_t, std::size_t> widths[] = {{B::kU16, 2}, {B::kI16, 2}, {B::kU32, 4}, {B::kI32, 4},
                                                          {B::kF32, 4}, {B::kU64, 8}, {B::kI64, 8}, {B::kF64, 8}};
  for (const auto& [type, width] : widths) {
    add(fmt::format("value of type {} cut off", type), with_value(type, std::string(width - 1, '\1')),
        fmt::format("key 'k': value needs {} bytes", width));
  }
  return add;
}

std::string array_head(std::uint32_t type, std::uint64_t count) {
  return le(type) + le(count);
}

Cases array_cases() {
  std::string nested = array_head(B::kU8, 0);
  for (int i = 0; i < 4; ++i) nested = array_head(B::kArray, 1) + nested;
  std::string endless;
  for (int i = 0; i < 100000; ++i) endless += array_head(B::kArray, 1);
  const auto array = [](std::string_view value) { return with_value(B::kArray, value); };
  Cases add;
  add("array type 13", array(array_head(13, 1) + "aaaa"), "array element type is 13");
  add("array type -1", array(array_head(0xffffffff, 1) + "aaaa"), "array element type is");
  add("array without length", array(le<std::uint32_t>(0) + "\1"), "array length needs 8 bytes");
  add("u8 array all ones", array(array_head(B::kU8, kHuge)), "array needs 18446744073709551615 bytes");
  add("u8 array one too long", array(array_head(B::kU8, 5) + "abcd"), "array needs 5 bytes");
  add("u16 array wraps", array(array_head(B::kU16, kTop)), "larger than any file");
  add("u32 array wraps to little", array(array_head(B::kU32, (std::uint64_t{1} << 62) + 1) + "abcd"),
      "larger than any file");
  add("u64 array wraps to nothing", array(array_head(B::kU64, std::uint64_t{1} << 61)), "larger than any file");
  add("f32 array all ones", array(array_head(B::kF32, kHuge)), "larger than any file");
  add("f32 array cut off", array(array_head(B::kF32, 3) + std::string(11, '\0')), "array needs 12 bytes");
  add("f64 array a gigabyte", array(array_head(B::kF64, 1 << 27)), "array needs 1073741824 bytes");
  add("bool array with 2", array(array_head(B::kBool, 3) + std::string("\1\0\2", 3)), "bool has value 2");
  add("bool array all ones", array(array_head(B::kBool, kHuge)), "array needs");
  add("string array all ones", array(array_head(B::kString, kHuge)), "array of 18446744073709551615 elements");
  add("string array wraps", array(array_head(B::kString, std::uint64_t{1} << 61)), "elements of at least 8 bytes");
  add("string array one too many", array(array_head(B::kString, 3) + counted("aaaaaaaa") + counted("b")),
      "string of an array needs 8 bytes");
  add("string in array too long", array(array_head(B::kString, 2) + counted("a") + le(kHuge)),
      "string of an array needs 18446744073709551615");
  add("array of arrays all ones", array(array_head(B::kArray, kHuge)), "elements of at least 12 bytes");
  add("array of arrays cut off", array(array_head(B::kArray, 2) + array_head(B::kU8, 0) + "aaaaaaaa"),
      "the file has 20 left");
  add("nested five deep", array(nested), "nested deeper than 4");
  add("nested 100000 deep", array(endless), "nested deeper than 4");
  return add;
}

Cases alignment_cases() {
  Cases add;
  for (const std::uint32_t value : {0u, 1u, 2u, 4u, 24u, 33u, 131072u, 0x80000000u, 0xffffffffu}) {
    add(fmt::format("alignment {}", value), B().u32("general.alignment", value).tensor({}).build(),
        fmt::format("key 'general.alignment' is {}, expected a power of two from 8 to 65536", value));
  }
  add("alignment u64", B().u64("general.alignment", 32).build(), "has type uint64, expected uint32");
  add("alignment i32", B().i32("general.alignment", 32).build(), "has type int32, expected uint32");
  add("alignment f32", B().f32("general.alignment", 32).build(), "has type float32, expected uint32");
  add("alignment text", B().string("general.alignment", "32").build(), "has type string, expected uint32");
  add("alignment array", B().array<std::uint32_t>("general.alignment", B::kU32, {32}).build(),
      "has type array, expected uint32");
  return add;
}

Cases tensor_cases() {
  Cases add;
  add("name length all ones", with_tensor({.name_length = kHuge}), "name needs 18446744073709551615 bytes");
  add("name empty", with_tensor({.name = ""}), "name has 0 bytes, expected 1 to 128");
  add("name too long", with_tensor({.name = std::string(129, 'n')}), "name has 129 bytes");
  add("name with zero", with_tensor({.name = std::string("a\0b", 3)}), "tensor 'a\\u{0}b'");
  add("name with escape", with_tensor({.name = "a\x1b]0;x\x07"}), "without control characters");
  add("name not UTF-8", with_tensor({.name = "a\xc3("}), "a\\xc3(");
  add("name twice", B().tensor({.name = "a"}).tensor({.name = "b"}).tensor({.name = "a"}).build(),
      "tensor 'a': occurs twice");
  add("no dimensions", with_tensor({.dimensions = {}}), "has 0 dimensions, expected 1 to 4");
  add("five dimensions", with_tensor({.dimensions = {1, 1, 1, 1, 1}}), "has 5 dimensions");
  add("dimension count all ones", with_tensor({.dimension_count = 0xffffffff}), "has 4294967295 dimensions");
  add("dimensions cut off", without_end(B().tensor({.name = std::string(40, 'n'), .dimensions = {4, 4}}).header(), 16),
      "dimension needs 8 bytes");
  add("first dimension 0", with_tensor({.dimensions = {0, 4}}), "dimension 0 is 0, expected at least 1");
  add("last dimension 0", with_tensor({.dimensions = {4, 0}}), "dimension 1 is 0");
  add("one dimension 0", with_tensor({.dimensions = {0}, .data = ""}), "dimension 0 is 0");
  add("elements wrap to 0", with_tensor({.dimensions = {std::uint64_t{1} << 32, std::uint64_t{1} << 32}}),
      "more elements than 64 bits");
  add("elements wrap to 4", with_tensor({.dimensions = {4, (std::uint64_t{1} << 62) + 1}}),
      "more elements than 64 bits");
  add("elements wrap by four", with_tensor({.dimensions = {1 << 16, 1 << 16, 1 << 16, 1 << 17}}),
      "more elements than 64 bits");
  add("bytes wrap to 0", with_tensor({.dimensions = {std::uint64_t{1} << 62}}), "more elements than 64 bits");
  add("bytes wrap to 16", with_tensor({.dimensions = {(std::uint64_t{1} << 62) + 4}}), "more elements than 64 bits");
  add("dimension all ones", with_tensor({.dimensions = {kHuge}}), "more elements than 64 bits");
  add("dimension negative", with_tensor({.dimensions = {4, kTop}}), "more elements than 64 bits");
  add("quantised bytes wrap", with_tensor({.dimensions = {kHuge - 31, 1}, .type = 8}), "more elements than 64 bits");
  add("exabytes", with_tensor({.dimensions = {std::uint64_t{1} << 60}, .type = 2}), "the file is truncated or damaged");
  add("row not whole q8_0 blocks", with_tensor({.dimensions = {33}, .type = 8}),
      "rows of 33 elements are not whole Q8_0 blocks of 32");
  add("row not whole k blocks", with_tensor({.dimensions = {128, 2}, .type = 12}),
      "rows of 128 elements are not whole Q4_K blocks of 256");
  add("row of one q4_0", with_tensor({.dimensions = {1}, .type = 2}), "rows of 1 elements");
  add("type removed 4", with_tensor({.type = 4}), "type 4, which was removed");
  add("type removed 5", with_tensor({.type = 5}), "type 5, which was removed");
  add("type removed 33", with_tensor({.type = 33}), "type 33, which was removed");
  add("type 200", with_tensor({.type = 200}), "type 200, which does not exist");
  add("type -1", with_tensor({.type = 0xffffffff}), "type 4294967295, which does not exist");
  add("integers I8", with_tensor({.name = "output.weight", .type = 24}),
      "tensor 'output.weight': has I8 (type 24), which is no supported weight format");
  add("integers I16", with_tensor({.name = "output.weight", .type = 25}), "I16 (type 25)");
  add("integers I32", with_tensor({.name = "output.weight", .type = 26}), "I32 (type 26)");
  add("integers I64", with_tensor({.name = "output.weight", .type = 27}), "I64 (type 27)");
  add("doubles", with_tensor({.name = "output.weight", .type = 28}), "F64 (type 28)");
  add("format not supported",
      with_tensor({.name = "blk.0.t", .dimensions = {32}, .type = 20, .data = std::string(18, '\0')}),
      "IQ4_NL (type 20)");
  add("intermediate format",
      with_tensor({.name = "blk.0.t", .dimensions = {32}, .type = 9, .data = std::string(36, '\0')}), "Q8_1 (type 9)");
  add("offset not aligned", with_tensor({.offset = 16}), "offset 16 is not a multiple of the alignment 32");
  add("offset odd", with_tensor({.offset = 1}), "offset 1 is not");
  add("offset past the end", with_tensor({.offset = 64}), "16 bytes at offset 64 of the data, which has 32 bytes");
  add("offset wraps", with_tensor({.offset = kHuge - 31}), "of the data, which has 32 bytes");
  add("offset negative", with_tensor({.offset = kTop}), "of the data, which has 32 bytes");
  add("offset exactly the end", with_tensor({.offset = 32}), "at offset 32 of the data");
  add("same place", B().tensor({.name = "a"}).tensor({.name = "b", .offset = 0}).build(), "overlaps tensor");
  add("overlap",
      B().tensor({.name = "a", .dimensions = {16}, .data = std::string(64, '\0')})
          .tensor({.name = "b", .offset = 32})
          .build(),
      "tensor 'b': its data at offset 32 overlaps tensor 'a', which ends at 64");
  add("overlap backwards",
      B().tensor({.name = "a", .offset = 32})
          .tensor({.name = "b", .dimensions = {16}, .data = std::string(64, '\0'), .offset = 0})
          .build(),
      "tensor 'a': its data at offset 32 overlaps tensor 'b'");
  // Of types that are not read: what is left out is still checked.
  add("left out, past the end", with_tensor({.name = "vendor.x", .type = 26, .offset = std::uint64_t{1} << 40}),
      "tensor 'vendor.x': 16 bytes at offset 1099511627776 of the data");
  add("left out, on another", B().tensor({.name = "a"}).tensor({.name = "vendor.x", .type = 26, .offset = 0}).build(),
      "tensor 'vendor.x': its data at offset 0 overlaps tensor 'a'");
  add("left out, elements wrap",
      with_tensor({.name = "vendor.x", .dimensions = {std::uint64_t{1} << 62, std::uint64_t{1} << 62}, .type = 26}),
      "tensor 'vendor.x': shape");
  add("left out, row not whole blocks", with_tensor({.name = "vendor.x", .dimensions = {33}, .type = 20}),
      "tensor 'vendor.x': rows of 33 elements are not whole IQ4_NL blocks of 32");
  add("no data", B().tensor({}).header(), "which has 0 bytes");
  add("data one byte short",
      changed([](B& b) { b.pad_end = false, b.tensor({.data = std::string(15, '\0')}); }).build(),
      "16 bytes at offset 0 of the data, which has 15 bytes");
  add("second tensor missing",
      changed([](B& b) { b.pad_end = false, b.tensor({.name = "a"}), b.tensor({.name = "b", .data = ""}); }).build(),
      "tensor 'b'");
  add("offset cut off", without_end(B().tensor({}).header(), 1), "tensor count is 1");
  add("alignment told but not kept",
      B().u32("general.alignment", 64).tensor({.name = "a"}).tensor({.name = "b"}).build(),
      "offset 32 is not a multiple of the alignment 64");

  return add;
}

Cases limit_cases() {
  const auto llama = [] { return B().string("general.architecture", "llama"); };
  Cases add;
  add("architecture not text", B().u32("general.architecture", 1).build(),
      "key 'general.architecture' is 1 (uint32), expected a string");
  add("no layers", llama().u32("llama.block_count", 0).build(), "key 'llama.block_count' is 0, expected 1 to 1024");
  add("many layers", llama().u32("llama.block_count", 1025).build(), "is 1025");
  add("all layers", llama().u32("llama.block_count", 0xffffffff).build(), "is 4294967295");
  add("negative layers", llama().i32("llama.block_count", -1).build(), "is -1 (int32), expected an unsigned integer");
  add("layers as float", llama().f32("llama.block_count", 2).build(), "(float32), expected an unsigned integer");
  add("layers as text", llama().string("llama.block_count", "2\x1b[m").build(), "is the string '2\\u{1b}[m'");
  add("layers as bool", llama().boolean("llama.block_count", true).build(), "(bool)");
  add("many heads", llama().u32("llama.attention.head_count", 4097).build(), "expected 0 to 4096");
  add("many heads in one layer",
      llama().array<std::int32_t>("llama.attention.head_count_kv", B::kI32, {8, 5000}).build(), "is 5000");
  add("negative heads in one layer",
      llama().array<std::int32_t>("llama.attention.head_count_kv", B::kI32, {8, -8}).build(), "has -8 at position 1");
  add("heads of text", llama().strings("llama.attention.head_count", {"8"}).build(), "an array of 1 string");
  add("long context", llama().u64("llama.context_length", (1u << 24) + 1).build(), "is 16777217");
  add("large vocabulary", llama().u32("llama.vocab_size", (4u << 20) + 1).build(), "key 'llama.vocab_size'");
  return add;
}

// A small byte-level vocabulary; `skip`: a key that is left out, so that the case can give its own.
B bpe(std::string_view skip = "") {
  B b;
  const auto has = [&](std::string_view key) { return key != skip; };
  if (has("model")) b.string("tokenizer.ggml.model", "gpt2");
  if (has("tokens")) b.strings("tokenizer.ggml.tokens", {"a", "b", "ab"});
  if (has("merges")) b.strings("tokenizer.ggml.merges", {"a b"});
  return b;
}

B pieces(std::string_view skip = "") {
  B b;
  const auto has = [&](std::string_view key) { return key != skip; };
  b.string("tokenizer.ggml.model", "llama");
  if (has("tokens")) b.strings("tokenizer.ggml.tokens", {"<unk>", "<0x0A>", "a"});
  if (has("scores")) b.array<float>("tokenizer.ggml.scores", B::kF32, {0, 0, -1});
  if (has("types")) b.array<std::int32_t>("tokenizer.ggml.token_type", B::kI32, {2, 6, 1});
  return b;
}

Cases vocabulary_cases() {
  const auto ids = [](std::string_view key) { return "tokenizer.ggml." + std::string(key); };
  Cases add;
  add("tokenizer unknown", bpe("model").string("tokenizer.ggml.model", "be\nrt").build(),
      "is 'be\\u{a}rt'; the tokenizers that can be read are");
  add("tokenizer without model", bpe("model").build(), "key 'tokenizer.ggml.model' is missing, though the file has");
  add("tokenizer not text", bpe("model").u32("tokenizer.ggml.model", 1).build(), "expected a string");
  add("pre not text", bpe().u32("tokenizer.ggml.pre", 1).build(), "key 'tokenizer.ggml.pre' is 1");
  add("no tokens", bpe("tokens").build(), "key 'tokenizer.ggml.tokens' is missing");
  add("tokens of numbers", bpe("tokens").array<std::uint32_t>("tokenizer.ggml.tokens", B::kU32, {1, 2}).build(),
      "is an array of 2 uint32, expected an array of strings");
  add("tokens not an array", bpe("tokens").string("tokenizer.ggml.tokens", "a").build(),
      "is the string 'a', expected an array of strings");
  add("tokens of arrays",
      bpe("tokens").raw("tokenizer.ggml.tokens", B::kArray, array_head(B::kArray, 1) + array_head(B::kU8, 0)).build(),
      "an array of 1 array");
  add("tokens empty", bpe("tokens").strings("tokenizer.ggml.tokens", {}).build(), "has 0 elements, expected 1 to");
  add("no merges", bpe("merges").build(), "key 'tokenizer.ggml.merges' is missing");
  add("merge without space", bpe("merges").strings("tokenizer.ggml.merges", {"a b", "ab"}).build(),
      "has 'ab' at position 1");
  add("merge with nothing left", bpe("merges").strings("tokenizer.ggml.merges", {" b"}).build(), "expected two pieces");
  add("merge with nothing right", bpe("merges").strings("tokenizer.ggml.merges", {"a "}).build(),
      "expected two pieces");
  add("merge empty", bpe("merges").strings("tokenizer.ggml.merges", {""}).build(), "expected two pieces");
  add("merges of bytes", bpe("merges").array<std::uint8_t>("tokenizer.ggml.merges", B::kU8, {1}).build(),
      "an array of 1 uint8");
  add("scores short", pieces("scores").array<float>("tokenizer.ggml.scores", B::kF32, {0, 0}).build(),
      "key 'tokenizer.ggml.scores' has 2 elements, expected 3");
  add("scores long", bpe().array<float>("tokenizer.ggml.scores", B::kF32, {0, 0, 0, 0}).build(),
      "has 4 elements, expected 3");
  add("scores missing", pieces("scores").build(), "key 'tokenizer.ggml.scores' is missing");
  add("scores of bytes", pieces("scores").array<std::uint8_t>("tokenizer.ggml.scores", B::kU8, {1, 2, 3}).build(),
      "an array of 3 uint8, expected an array of floats");
  add("scores NaN", pieces("scores").array<float>("tokenizer.ggml.scores", B::kF32, {0, NAN, 0}).build(),
      "NaN at position 1");
  add("types short", pieces("types").array<std::int32_t>("tokenizer.ggml.token_type", B::kI32, {2}).build(),
      "key 'tokenizer.ggml.token_type' has 1 elements, expected 3");
  add("type 7", pieces("types").array<std::int32_t>("tokenizer.ggml.token_type", B::kI32, {2, 6, 7}).build(),
      "has 7 for token 2, expected 0 to 6");
  add("type negative", pieces("types").array<std::int32_t>("tokenizer.ggml.token_type", B::kI32, {2, -6, 1}).build(),
      "has -6 for token 1");
  add("types of floats", pieces("types").array<float>("tokenizer.ggml.token_type", B::kF32, {2, 6, 1}).build(),
      "expected an array of 32-bit integers");
  add("type too large",
      pieces("types").array<std::uint64_t>("tokenizer.ggml.token_type", B::kU64, {2, 6, kHuge}).build(),
      "has 18446744073709551615 at position 2");
  add("add_bos not bool", bpe().u32("tokenizer.ggml.add_bos_token", 1).build(), "is 1 (uint32), expected a bool");
  add("template not text", bpe().strings("tokenizer.chat_template", {"a"}).build(),
      "key 'tokenizer.chat_template' is an array of 1 string, expected a string");
  add("charsmap of floats", pieces().array<float>("tokenizer.ggml.precompiled_charsmap", B::kF32, {1}).build(),
      "is not an array of bytes");
  add("charsmap text", pieces().string("tokenizer.ggml.precompiled_charsmap", "abc").build(),
      "is not an array of bytes");
  add("embedding rows",
      bpe().tensor({.name = "token_embd.weight", .dimensions = {4, 2}, .data = std::string(32, '\0')}).build(),
      "has 2 rows, but the vocabulary has 3 tokens");

  for (const char* text : {"<0x-1>", "<0xZZ>", "<0x1>", "<0x1FF>", "0x0A", "<0x0A", "<0X0A>", "<0x >>"}) {
    add(fmt::format("byte token {}", text),
        pieces("tokens").strings("tokenizer.ggml.tokens", {"<unk>", text, "a"}).build(),
        "of type byte, expected <0x00> to <0xFF>");
  }
  for (const char* key :
       {"bos_token_id", "eos_token_id", "eot_token_id", "eom_token_id", "unknown_token_id", "padding_token_id"}) {
    add(fmt::format("{} past the end", key), bpe().u32(ids(key), 3).build(), "is 3, but the vocabulary has 3 tokens");
  }
  add("bos far out", bpe().u32(ids("bos_token_id"), 0x7fffffff).build(), "is 2147483647, but the vocabulary");
  add("bos negative", bpe().i32(ids("bos_token_id"), -2).build(), "is -2, but the vocabulary");
  add("bos a string", bpe().string(ids("bos_token_id"), "a").build(), "expected a 64-bit integer");
  add("bos a float", bpe().f32(ids("bos_token_id"), 1).build(), "expected a 64-bit integer");
  add("bos beyond int64", bpe().u64(ids("bos_token_id"), kHuge).build(), "expected a 64-bit integer");
  return add;
}

class MalformedGguf : public testing::Test {
 protected:
  void refuse_all(const Cases& cases) {
    for (const Case& c : cases) {
      SCOPED_TRACE(c.name);
      const fs::path path = folder_.write("model.gguf", c.bytes);
      forget_allocations();
      expect_bad_model("model.gguf", c.says, [&] { ModelFile::open(path); });
      // Nothing is allocated by a number from the file: no block is much larger than the file itself.
      EXPECT_LT(largest_allocation_bytes(), 8 * c.bytes.size() + 65536);
    }
    RecordProperty("cases", static_cast<int>(cases.size()));
  }
  TemporaryFolder folder_;
};

TEST_F(MalformedGguf, HeadersAreRefused) {
  refuse_all(header_cases());
}
TEST_F(MalformedGguf, KeysAreRefused) {
  refuse_all(key_cases());
}
TEST_F(MalformedGguf, ArraysAreRefused) {
  refuse_all(array_cases());
}
TEST_F(MalformedGguf, AlignmentsAreRefused) {
  refuse_all(alignment_cases());
}
TEST_F(MalformedGguf, TensorsAreRefused) {
  refuse_all(tensor_cases());
}
TEST_F(MalformedGguf, LimitsAreRefused) {
  refuse_all(limit_cases());
}
TEST_F(MalformedGguf, VocabulariesAreRefused) {
  refuse_all(vocabulary_cases());
}

// A file with one of everything.
std::string rich_file() {
  B b = pieces();
  b.string("general.architecture", "llama").u32("llama.block_count", 2).f32("llama.rope.freq_base", 1e4F);
  b.boolean("tokenizer.ggml.add_bos_token", true).u32("tokenizer.ggml.bos_token_id", 1);
  b.raw("nested", B::kArray, array_head(B::kArray, 1) + B::array_value<std::uint16_t>(B::kU16, {1, 2}));
  b.tensor({.name = "token_embd.weight", .dimensions = {32, 3}, .type = 8, .data = std::string(102, '\2')});
  b.tensor({.name = "output_norm.weight", .dimensions = {32}, .data = std::string(128, '\0')});
  return b.build();
}

// Parses from an allocation of exactly the file's size, so that the address sanitizer sees a read past the end.
bool loads(const std::string& bytes) {
  const std::vector<std::byte> exact(bytes_of(bytes).begin(), bytes_of(bytes).end());
  try {
    const GgufContents contents = parse_gguf(exact, "model.gguf");
    read_gguf_vocabulary(contents.metadata);
    std::size_t sum = 0;
    for (const FileTensor& tensor : contents.tensors) {
      for (const std::byte byte : tensor.bytes) sum += std::to_integer<std::size_t>(byte);
    }
    return sum < std::numeric_limits<std::size_t>::max();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadModel) << error.what();
    return false;
  }
}

TEST(DamagedGguf, EveryTruncationIsRefused) {
  const std::string whole = rich_file();
  ASSERT_TRUE(loads(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(loads(whole.substr(0, size))) << size;
}

TEST(DamagedGguf, NoChangedByteDoesHarm) {
  const std::string whole = rich_file();
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      refused += loads(changed) ? 0 : 1;
    }
  }
  EXPECT_GT(refused, whole.size() / 2);
}

}  // namespace
}  // namespace regroup::test
