// safetensors files: right ones are read, wrong ones are refused with file, tensor and reason.
#include <gtest/gtest.h>

#include <limits>

#include "runtime/file/safetensors_reader.h"
#include "tests/file/file_support.h"
#include "tests/file/largest_allocation.h"
#include "tests/support/gguf_builder.h"

namespace regroup::test {
namespace {

std::string safetensors(std::string_view header, std::size_t data_bytes) {
  return counted(header) + std::string(data_bytes, '\1');
}

SafetensorsContents parse(const std::string& bytes, const std::function<bool(std::string_view)>& may_skip = {}) {
  return parse_safetensors(bytes_of(bytes), "model.safetensors", may_skip);
}

TEST(Safetensors, TensorsAreRead) {
  const std::string bytes = safetensors(
      R"({"b":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},"__metadata__":{"format":"pt","x":""},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"c":{"dtype":"BF16","shape":[1,1,1,1,2],"data_offsets":[16,20]}}   )",
      20);
  const SafetensorsContents contents = parse(bytes);
  ASSERT_EQ(contents.tensors.size(), 3u);
  EXPECT_EQ(contents.tensors[0].name, "a");  // in the order of the data
  EXPECT_EQ(contents.tensors[0].shape, (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(contents.tensors[0].bytes.size(), 4u);
  EXPECT_EQ(contents.tensors[1].name, "b");
  EXPECT_EQ(contents.tensors[1].format, WeightFormat::kF16);
  EXPECT_EQ(contents.tensors[1].shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(contents.tensors[1].bytes.data(), bytes_of(bytes).data() + bytes.size() - 16);
  EXPECT_EQ(contents.tensors[2].format, WeightFormat::kBF16);
  EXPECT_EQ(contents.metadata.at("format"), "pt");
}

TEST(Safetensors, EmptyHeaderIsRead) {
  EXPECT_TRUE(parse(safetensors("{}", 0)).tensors.empty());
}

TEST(Safetensors, OnlyAllowedIntegersAreSkipped) {
  const std::string bytes = safetensors(
      R"({"mask":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
      8);
  const SafetensorsContents contents = parse(bytes, [](std::string_view name) { return name == "mask"; });
  EXPECT_EQ(contents.skipped, (std::vector<std::string>{"mask"}));
  ASSERT_EQ(contents.tensors.size(), 1u);
  expect_bad_model("model.safetensors", "tensor 'mask': has dtype BOOL", [&] { parse(bytes); });
  const std::string doubles = safetensors(R"({"mask":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})", 8);
  expect_bad_model("model.safetensors", "has dtype F64",
                   [&] { parse(doubles, [](std::string_view) { return true; }); });
  // What is said to be no weight may have any type, and no elements.
  const auto is_extra = [](std::string_view name) { return name == "extra"; };
  const std::string extras = safetensors(
      R"({"extra":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"none":{"dtype":"F32","shape":[0,4],"data_offsets":[8,8]}})",
      8);
  expect_bad_model("model.safetensors", "tensor 'none': dimension 0 is 0",
                   [&] { parse_safetensors(bytes_of(extras), "model.safetensors", {}, is_extra); });
  const auto all = [](std::string_view) { return true; };
  const SafetensorsContents left_out = parse_safetensors(bytes_of(extras), "model.safetensors", {}, all);
  EXPECT_TRUE(left_out.tensors.empty());
  EXPECT_EQ(left_out.skipped.size(), 2u);
}

// One tensor "t" with these fields and so much data.
std::string one(std::string_view fields, std::size_t data_bytes) {
  return safetensors(fmt::format(R"({{"t":{{{}}}}})", fields), data_bytes);
}

Cases malformed() {
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  const std::string pair = R"("dtype":"F32","shape":[1],"data_offsets":[)";
  const auto two = [&](std::string_view a, std::string_view b, std::size_t data_bytes) {
    return safetensors(fmt::format(R"({{"a":{{{}{}]}},"b":{{{}{}]}}}})", pair, a, pair, b), data_bytes);
  };
  std::string deep = R"({"t":)";
  for (int i = 0; i < 100000; ++i) deep += "[";
  Cases add;
  add("empty file", "", "header length needs 8 bytes");
  add("seven bytes", std::string(7, '\0'), "header length needs 8 bytes");
  add("header length 0", le<std::uint64_t>(0), "header does not begin with '{'");
  add("header length all ones", le(std::numeric_limits<std::uint64_t>::max()) + "{}", "at most 33554432 are allowed");
  add("header length 32 MiB and one", le<std::uint64_t>(33554433) + "{}", "header length is 33554433 bytes");
  add("header longer than the file", le<std::uint64_t>(100) + "{}",
      "header needs 100 bytes at offset 8, the file has 2 left");
  add("header begins with space", safetensors(" {}", 0), "does not begin with '{'");
  add("header is an array", safetensors("[]", 0), "does not begin with '{'");
  add("header is cut", safetensors(R"({"t":)", 0), "bad JSON at line 1, column");
  add("header is not JSON", safetensors("{a}", 0), "bad JSON at line 1, column 2");
  add("header is two documents", safetensors("{}{}", 0), "bad JSON");
  add("header has a zero byte", safetensors(std::string("{}\0x", 4), 0), "zero byte");
  add("header is nested 100000 deep", safetensors(deep, 0), "nested deeper than 64");
  std::string many = R"({"t":[)";
  for (int i = 0; i < (1 << 20); ++i) many += "0,";
  add("header has a million values", safetensors(many + "0]}", 0), "more than 1048576 values");
  add("header not UTF-8", safetensors("{\"\xff\":1}", 0), "ill-formed UTF-8");
  add("tensor twice", safetensors(fmt::format(R"({{"t":{{{}}},"t":{{{}}}}})", good, good), 8), "duplicate key 't'");
  add("field twice", one(good + R"(,"dtype":"F16")", 8), "duplicate key 'dtype'");
  add("metadata twice", safetensors(R"({"__metadata__":{},"__metadata__":{}})", 0), "duplicate key '__metadata__'");
  add("metadata not an object", safetensors(R"({"__metadata__":[]})", 0), "__metadata__ is array");
  add("metadata of numbers", safetensors(R"({"__metadata__":{"a\u001b":1}})", 0),
      "__metadata__ 'a\\u{1b}' is number, expected a string");
  add("metadata of objects", safetensors(R"({"__metadata__":{"a":{}}})", 0), "is object, expected a string");
  add("entry a number", safetensors(R"({"t":1})", 0), "tensor 't': is number, expected an object");
  add("entry null", safetensors(R"({"t":null})", 0), "is null");
  add("entry empty", safetensors(R"({"t":{}})", 0), "tensor 't': has no dtype");
  add("no shape", one(R"("dtype":"F32","data_offsets":[0,8])", 8), "has no shape");
  add("no offsets", one(R"("dtype":"F32","shape":[2])", 8), "has no data_offsets");
  add("name empty", safetensors(fmt::format(R"({{"":{{{}}}}})", good), 8), "name has 0 bytes");
  add("name too long", safetensors(fmt::format(R"({{"{}":{{{}}}}})", std::string(257, 'n'), good), 8),
      "name has 257 bytes, expected 1 to 256");
  add("name with escape", safetensors(fmt::format(R"({{"\u001b[2J\u202e":{{{}}}}})", good), 4),
      "tensor '\\u{1b}[2J\\u{202e}'");
  add("dtype a number", one(R"("dtype":0,"shape":[2],"data_offsets":[0,8])", 8), "dtype is number");
  add("dtype unknown", one(R"("dtype":"f32","shape":[2],"data_offsets":[0,8])", 8), "dtype 'f32' is unknown");
  add("dtype with escape", one(R"("dtype":"\u001b","shape":[2],"data_offsets":[0,8])", 8), "dtype '\\u{1b}'");
  add("doubles", one(R"("dtype":"F64","shape":[1],"data_offsets":[0,8])", 8),
      "has dtype F64, which is no supported weight format");
  add("eight-bit floats", one(R"("dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8])", 8), "has dtype F8_E4M3");
  add("integers", one(R"("dtype":"I64","shape":[1],"data_offsets":[0,8])", 8), "has dtype I64");
  add("packed bytes", one(R"("dtype":"U8","shape":[8],"data_offsets":[0,8])", 8), "has dtype U8");
  add("shape a number", one(R"("dtype":"F32","shape":2,"data_offsets":[0,8])", 8),
      "shape is number, expected an array");
  add("dimension a string", one(R"("dtype":"F32","shape":["2"],"data_offsets":[0,8])", 8), "dimension is \"2\"");
  add("dimension a float", one(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])", 8), "dimension is 2.0");
  add("dimension negative", one(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])", 8), "dimension is -2");
  add("dimension 0", one(R"("dtype":"F32","shape":[2,0],"data_offsets":[0,0])", 0), "dimension 1 is 0");
  add("dimension beyond 64 bits", one(R"("dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8])", 8),
      "expected a whole number");
  add("nine dimensions", one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])", 4),
      "has 9 dimensions");
  add("elements wrap", one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])", 0),
      "more bytes than 64 bits");
  add("bytes wrap", one(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])", 0),
      "more bytes than 64 bits");
  add("bytes wrap to 8", one(R"("dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8])", 8),
      "more bytes than 64 bits");
  add("exabytes", one(R"("dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4611686018427387904])", 8),
      "the file has 8 bytes of data");
  add("offsets a number", one(R"("dtype":"F32","shape":[2],"data_offsets":8)", 8), "data_offsets is not a pair");
  add("one offset", one(R"("dtype":"F32","shape":[2],"data_offsets":[8])", 8), "data_offsets is not a pair");
  add("three offsets", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4,8])", 8), "data_offsets is not a pair");
  add("offset negative", one(R"("dtype":"F32","shape":[2],"data_offsets":[-8,0])", 8), "data_offsets is -8");
  add("offset a string", one(R"("dtype":"F32","shape":[2],"data_offsets":["0","8"])", 8), "expected a whole number");
  add("offsets backwards", one(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])", 8),
      "data_offsets [8, 0] do not span");
  add("offsets too near", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", 4), "do not span the 8 bytes");
  add("offsets too far", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,12])", 12), "do not span the 8 bytes");
  add("does not begin at 0", one(R"("dtype":"F32","shape":[2],"data_offsets":[4,12])", 12), "begins at 4, expected 0");
  add("gap", two("0,4", "8,12", 12), "tensor 'b': its data begins at 8, expected 4");
  add("overlap", two("0,4", "2,6", 6), "tensor 'b': its data begins at 2, expected 4");
  add("same place", two("0,4", "0,4", 4), "begins at 0, expected 4");
  add("data cut", one(good, 7), "ends at 8, the file has 7 bytes of data; it is truncated");
  add("no data", one(good, 0), "the file has 0 bytes of data");
  add("bytes after the data", one(good, 9), "data has 9 bytes, but the tensors end at 8");
  add("bytes without tensors", safetensors("{}", 1), "data has 1 bytes, but the tensors end at 0");
  return add;
}

TEST(Safetensors, MalformedFilesAreRefused) {
  for (const Case& c : malformed()) {
    SCOPED_TRACE(c.name);
    forget_allocations();
    expect_bad_model("model.safetensors", c.says, [&] { parse(c.bytes); });
    // Nothing is allocated by a number from the file: no block is much larger than the file itself.
    EXPECT_LT(largest_allocation_bytes(), 8 * c.bytes.size() + 65536);
  }
  EXPECT_GE(malformed().size(), 40u);
}

TEST(Safetensors, NoTruncationAndNoChangedByteDoesHarm) {
  const std::string whole = safetensors(
      R"({"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"y":{"dtype":"F16","shape":[3],"data_offsets":[8,14]}})",
      14);
  const auto loads = [](const std::string& bytes) {
    const std::vector<std::byte> exact(bytes_of(bytes).begin(), bytes_of(bytes).end());
    try {
      parse_safetensors(exact, "model.safetensors");
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel) << error.what();
      return false;
    }
  };
  ASSERT_TRUE(loads(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(loads(whole.substr(0, size))) << size;
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x22, 0x31, 0x5b, 0x7d, 0x80, 0xff}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      refused += loads(changed) ? 0 : 1;
    }
  }
  EXPECT_GT(refused, whole.size());
}

}  // namespace
}  // namespace regroup::test
