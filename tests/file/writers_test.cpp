// Both writers: what they write is read back the same, and a write that does not succeed leaves nothing behind.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <random>

#include "runtime/file/gguf_parser.h"
#include "runtime/file/gguf_writer.h"
#include "runtime/file/model_file.h"
#include "runtime/file/safetensors_reader.h"
#include "runtime/file/safetensors_writer.h"
#include "tests/file/file_support.h"
#include "tests/support/gguf_builder.h"

namespace regroup::test {
namespace {

std::string random_bytes(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(generator() & 0xff);
  return bytes;
}

// Metadata with every type, in an order that is not alphabetic.
GgufMetadata rich_metadata() {
  GgufMetadata m;
  m.set("z", std::uint8_t{200});
  m.set("general.architecture", std::string("llama"));
  m.set("a.i8", std::int8_t{-1});
  m.set("a.u16", std::uint16_t{60000});
  m.set("a.i16", std::int16_t{-2});
  m.set("a.u32", std::uint32_t{4000000000});
  m.set("a.i32", std::int32_t{-3});
  m.set("a.u64", std::uint64_t{1} << 63);
  m.set("a.i64", std::int64_t{-4});
  m.set("a.f32", 0.1F);
  m.set("a.f64", 0.1);
  m.set("a.nan", std::nanf(""));
  m.set("a.bool", true);
  m.set("split.no", std::uint16_t{0});
  m.set("a.empty", std::string());
  m.set("a.bools", GgufArray{std::vector<bool>{true, false}});
  m.set("a.texts", GgufArray{std::vector<std::string>{"x", "", std::string("\0y", 2)}});
  m.set("a.nested", GgufArray{std::vector<GgufArray>{{std::vector<float>{1, 2}}, {std::vector<std::uint8_t>{}}}});
  return m;
}

std::vector<TensorPlan> plans() {
  return {{"token_embd.weight", WeightFormat::kQ4_K, {5, 512}},
          {"odd", WeightFormat::kF32, {3}},
          {"experts", WeightFormat::kQ8_0, {2, 3, 64}},
          {"half", WeightFormat::kF16, {7, 1}}};
}

class Writers : public testing::Test {
 protected:
  fs::path target() const { return folder_.path() / "out.gguf"; }

  // Writes every planned tensor with random bytes, in pieces of `piece` bytes.
  template <typename Writer>
  static std::vector<std::string> write_all(Writer& writer, const std::vector<TensorPlan>& tensors, std::size_t piece) {
    std::vector<std::string> data;
    for (const TensorPlan& tensor : tensors) {
      data.push_back(random_bytes(planned_bytes(tensor), static_cast<unsigned>(data.size())));
      for (std::size_t at = 0; at < data.back().size(); at += piece) {
        writer.write(tensor.name, bytes_of(std::string_view(data.back()).substr(at, piece)));
      }
    }
    return data;
  }

  TemporaryFolder folder_;
};

TEST_F(Writers, GgufRoundTrip) {
  for (const std::size_t piece : {std::size_t{1} << 30, std::size_t{37}}) {
    GgufWriter writer(target(), rich_metadata(), plans(), Overwrite::kYes);
    const auto data = write_all(writer, plans(), piece);
    writer.finish();
    EXPECT_EQ(folder_.count(), 1u);
    EXPECT_EQ(fs::file_size(target()), writer.file_bytes());

    const ModelFile model = ModelFile::open(target());
    ASSERT_EQ(model.tensors().size(), plans().size());
    for (std::size_t i = 0; i < data.size(); ++i) {
      const FileTensor& tensor = model.tensors()[i];
      EXPECT_EQ(tensor.name, plans()[i].name);
      EXPECT_EQ(tensor.format, plans()[i].format);
      EXPECT_EQ(tensor.shape, plans()[i].shape);
      EXPECT_EQ(text_of(tensor.bytes), data[i]);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % 32, 0u);
    }
    GgufMetadata expected = rich_metadata();
    expected.erase("split.no");
    ASSERT_EQ(model.metadata().entries().size(), expected.entries().size());
    for (std::size_t i = 0; i < expected.entries().size(); ++i) {
      EXPECT_EQ(model.metadata().entries()[i].key, expected.entries()[i].key);
      EXPECT_EQ(gguf_type_of(model.metadata().entries()[i].value), gguf_type_of(expected.entries()[i].value));
    }
    EXPECT_EQ(model.metadata().get_u64("a.u64"), std::uint64_t{1} << 63);
    EXPECT_EQ(model.metadata().get_f32("a.f32"), 0.1F);
    EXPECT_EQ(model.metadata().get_strings("a.texts"), expected.get_strings("a.texts"));
  }
}

TEST_F(Writers, GgufCopyIsTheSameFile) {
  GgufWriter first(target(), rich_metadata(), plans());
  write_all(first, plans(), 1000);
  first.finish();
  const ModelFile model = ModelFile::open(target());
  GgufWriter second(folder_.path() / "copy.gguf", model.metadata(), plans());
  for (const FileTensor& tensor : model.tensors()) second.write(tensor.name, tensor.bytes);
  second.finish();
  EXPECT_EQ(read_all(target()), read_all(folder_.path() / "copy.gguf"));
}

TEST_F(Writers, GgufKeepsTheAlignmentOfItsMetadata) {
  GgufMetadata metadata;
  metadata.set("general.alignment", std::uint32_t{256});
  GgufWriter writer(target(), metadata, plans());
  write_all(writer, plans(), 100);
  writer.finish();
  const ModelFile model = ModelFile::open(target());
  for (const FileTensor& tensor : model.tensors())
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % 256, 0u);
}

TEST_F(Writers, GgufTextsMayComeLate) {
  GgufMetadata metadata;
  metadata.set("a.late", std::string("to be filled in"));
  const std::vector<TensorPlan> large = {{"large", WeightFormat::kF32, {std::uint64_t{9} << 20}}};  // 36 MiB
  GgufWriter writer(target(), metadata, large);
  const auto data = write_all(writer, large, 3 << 20);
  writer.replace_in_header("to be filled in", "is filled in ..");
  writer.finish();
  const ModelFile model = ModelFile::open(target());
  EXPECT_EQ(model.metadata().get_string("a.late"), "is filled in ..");
  EXPECT_EQ(text_of(model.tensors()[0].bytes), data[0]);
}

TEST_F(Writers, GgufWithoutTensors) {
  GgufWriter writer(target(), GgufMetadata(), {});
  writer.finish();
  EXPECT_TRUE(ModelFile::open(target()).tensors().empty());
}

TEST_F(Writers, SafetensorsRoundTrip) {
  const std::vector<TensorPlan> tensors = {{"model.\"q\"\n.weight", WeightFormat::kBF16, {3, 5}},
                                           {"a", WeightFormat::kF16, {1}},
                                           {"\xc3\xa9", WeightFormat::kF32, {2, 1, 3}}};
  const fs::path path = folder_.path() / "out.safetensors";
  SafetensorsWriter writer(path, {{"format", "pt"}}, tensors);
  const auto data = write_all(writer, tensors, 7);
  writer.finish();
  const std::string bytes = read_all(path);
  EXPECT_EQ(bytes.size(), writer.file_bytes());
  const SafetensorsContents contents = parse_safetensors(bytes_of(bytes), "out");
  EXPECT_EQ(contents.metadata.at("format"), "pt");
  ASSERT_EQ(contents.tensors.size(), tensors.size());
  for (std::size_t i = 0; i < data.size(); ++i) {
    EXPECT_EQ(contents.tensors[i].name, tensors[i].name);
    EXPECT_EQ(contents.tensors[i].format, tensors[i].format);
    EXPECT_EQ(contents.tensors[i].shape, tensors[i].shape);
    EXPECT_EQ(text_of(contents.tensors[i].bytes), data[i]);
  }
  const auto header_bytes = static_cast<std::size_t>(contents.tensors[0].bytes.data() - bytes_of(bytes).data());
  EXPECT_EQ(header_bytes % 8, 0u);
}

TEST_F(Writers, SafetensorsHaveNoQuantisedWeights) {
  expect_error(ErrorCode::kUsage, "'w'", "as q8_0 into safetensors; choose f32, f16 or bf16", [&] {
    SafetensorsWriter(folder_.path() / "x.safetensors", {}, {{"w", WeightFormat::kQ8_0, {32}}});
  });
  EXPECT_EQ(folder_.count(), 0u);
}

TEST_F(Writers, ExistingFilesAreKept) {
  folder_.write("out.gguf", "precious");
  expect_error(ErrorCode::kUsage, "out.gguf", "it exists already", [&] { GgufWriter(target(), GgufMetadata(), {}); });
  EXPECT_EQ(read_all(target()), "precious");
  {
    GgufWriter abandoned(target(), GgufMetadata(), plans(), Overwrite::kYes);
    abandoned.write("token_embd.weight", bytes_of("some"));
    EXPECT_EQ(folder_.count(), 2u);
  }
  EXPECT_EQ(folder_.count(), 1u);
  EXPECT_EQ(read_all(target()), "precious");
}

TEST_F(Writers, FileThatAppearsMeanwhileIsKept) {
  GgufWriter writer(target(), GgufMetadata(), {});
  folder_.write("out.gguf", "precious");
  expect_error(ErrorCode::kUsage, "out.gguf", "it exists already", [&] { writer.finish(); });
  EXPECT_EQ(read_all(target()), "precious");
}

TEST_F(Writers, MistakesOfTheCallerAreFound) {
  EXPECT_THROW(GgufWriter(target(), GgufMetadata(), {{"a", WeightFormat::kQ8_0, {33}}}), std::logic_error);
  EXPECT_THROW(GgufWriter(target(), GgufMetadata(), {{"a", WeightFormat::kF32, {}}}), std::logic_error);
  EXPECT_THROW(GgufWriter(target(), GgufMetadata(), {{"a", WeightFormat::kF32, {0, 4}}}), std::logic_error);
  EXPECT_THROW(SafetensorsWriter(target(), {}, {{"a", WeightFormat::kF32, {1}}, {"a", WeightFormat::kF32, {1}}}),
               std::logic_error);
  GgufWriter writer(target(), GgufMetadata(), plans());
  EXPECT_THROW(writer.write("odd", bytes_of("1234")), std::logic_error);
  EXPECT_THROW(writer.write("token_embd.weight", bytes_of(std::string(100000, 'x'))), std::logic_error);
  EXPECT_THROW(writer.finish(), std::logic_error);
}

TEST_F(Writers, NamesThatReadersRefuseAreNotWritten) {
  // Twice the same name: the check before the file gets its name sees what a reader would.
  const std::vector<TensorPlan> twice = {{"a", WeightFormat::kF32, {1}}, {"a", WeightFormat::kF32, {1}}};
  {
    GgufWriter writer(target(), GgufMetadata(), twice);
    write_all(writer, twice, 100);
    expect_bad_model("out.gguf", "tensor 'a': occurs twice", [&] { writer.finish(); });
  }
  EXPECT_EQ(folder_.count(), 0u);
}

TEST_F(Writers, FoldersThatCannotBeWrittenAreExplained) {
  expect_error(ErrorCode::kFailed, "none/out.gguf", "No such file or directory",
               [&] { GgufWriter(folder_.path() / "none" / "out.gguf", GgufMetadata(), {}); });
  fs::create_directory(target());
  expect_error(ErrorCode::kFailed, "out.gguf", "Is a directory",
               [&] { GgufWriter(target(), GgufMetadata(), {}, Overwrite::kYes); });
}

// A limit on file sizes stands in for a full disk.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) : signal_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit small = before_;
    small.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, signal_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  rlimit before_ = {};
  void (*signal_)(int);
};

TEST_F(Writers, FullDiskLeavesNothing) {
  const std::vector<TensorPlan> tensors = {{"a", WeightFormat::kF32, {1 << 20}}};
  const auto write = [&] {
    const SmallDisk disk(1 << 20);
    GgufWriter writer(target(), GgufMetadata(), tensors);
    write_all(writer, tensors, 100000);
    writer.finish();
  };
  expect_error(ErrorCode::kFailed, "out.gguf", "cannot write", write);
  EXPECT_EQ(folder_.count(), 0u);
}

}  // namespace
}  // namespace regroup::test
