// Conversions between files: what stays byte for byte, what mean pooling writes, what is refused.
#include "converter/convert_checkpoint.h"

#include <cmath>
#include <cstring>

#include "converter/source_checksum.h"
#include "runtime/core/error.h"
#include "runtime/model/architecture.h"
#include "tests/converter/conversion_support.h"

namespace regroup::test {
namespace {

std::vector<float> values_of(const FileTensor& tensor) {
  std::vector<float> values(tensor.elements());
  const std::size_t bytes = row_bytes(tensor.format, tensor.columns());
  for (std::uint64_t r = 0; r < tensor.rows(); ++r) {
    decode_row(tensor.format, tensor.bytes.subspan(r * bytes, bytes),
               std::span(values).subspan(r * tensor.columns(), tensor.columns()));
  }
  return values;
}

bool is_key_or_value(const std::string& name) {
  for (const char* part : {"attn_k.", "attn_v.", "k_proj", "v_proj"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

TEST(ConvertCheckpointTest, SameGroupsSameKindCopiesEveryByte) {
  const TemporaryFolder folder;
  for (const char* path : {"llama-biased", "llama-sharded", "gemma3-softcap", "mistral-window", "qwen2-gqa-6-2",
                           "gguf-llama-k-mix/model.gguf", "gguf-gemma3-mix/model.gguf",
                           "gguf-split-f32/model-00001-of-00002.gguf", "gguf-v2-f16/model.gguf"}) {
    SCOPED_TRACE(path);
    const bool gguf = std::string(path).ends_with(".gguf");
    const fs::path out = folder.path() / (std::to_string(std::hash<std::string>()(path)) + (gguf ? ".gguf" : ""));
    const ConvertReport report = convert(checkpoint(path), out, {});
    for (const LayerReport& layer : report.layers) EXPECT_EQ(layer.method, "none");
    const ModelFile before = ModelFile::open(checkpoint(path)), after = ModelFile::open(out);
    ASSERT_EQ(before.tensors().size(), after.tensors().size());
    for (const FileTensor& tensor : before.tensors()) {
      const FileTensor* written = after.find(tensor.name);
      ASSERT_NE(written, nullptr) << tensor.name;
      EXPECT_EQ(written->format, tensor.format);
      EXPECT_EQ(written->shape, tensor.shape);
      ASSERT_EQ(written->bytes.size(), tensor.bytes.size());
      EXPECT_EQ(std::memcmp(written->bytes.data(), tensor.bytes.data(), tensor.bytes.size()), 0) << tensor.name;
    }
  }
}

// Mean pooling against numpy's order of operations: one unit in the last place of f32. Everything else is copied.
TEST(ConvertCheckpointTest, MeanPoolsKeysAndValuesOnly) {
  struct Case {
    const char* path;
    std::uint32_t groups;
  };
  const TemporaryFolder folder;
  for (const Case& c : {Case{"llama-mha-4-4", 1}, Case{"llama-gqa-9-3", 1}, Case{"llama-gqa-12-4", 2},
                        Case{"llama-biased", 1}, Case{"mistral-plain", 1}, Case{"qwen2-gqa-6-2", 1},
                        Case{"gguf-llama-f32/model.gguf", 1}, Case{"gguf-biased-f32/model.gguf", 1}}) {
    SCOPED_TRACE(c.path);
    const bool gguf = std::string(c.path).ends_with(".gguf");
    const fs::path out = folder.path() / (std::to_string(std::hash<std::string>()(c.path)) + (gguf ? ".gguf" : ""));
    convert(checkpoint(c.path), out, {.groups = c.groups});
    const ModelFile before = ModelFile::open(checkpoint(c.path)), after = ModelFile::open(out);
    const ModelOutline outline = read_outline(before);
    EXPECT_EQ(read_outline(after).config.layers[0].kv_heads, c.groups);
    const std::size_t head_dim = outline.config.head_dim, heads = outline.config.layers[0].kv_heads;
    const std::size_t members = heads / c.groups;
    for (const FileTensor& tensor : before.tensors()) {
      const FileTensor* written = after.find(tensor.name);
      ASSERT_NE(written, nullptr);
      if (!is_key_or_value(tensor.name)) {
        ASSERT_EQ(written->bytes.size(), tensor.bytes.size());
        EXPECT_EQ(std::memcmp(written->bytes.data(), tensor.bytes.data(), tensor.bytes.size()), 0) << tensor.name;
        continue;
      }
      ASSERT_EQ(written->format, WeightFormat::kF32);
      const std::vector<float> source = values_of(tensor), pooled = values_of(*written);
      const std::size_t head_size = source.size() / heads;
      EXPECT_EQ(head_size % head_dim, 0u);
      ASSERT_EQ(pooled.size(), head_size * c.groups);
      for (std::size_t g = 0; g < c.groups; ++g) {
        for (std::size_t i = 0; i < head_size; ++i) {
          float sum = 0;  // as numpy's mean over an axis of float32
          for (std::size_t j = 0; j < members; ++j) sum += source[(g * members + j) * head_size + i];
          const float mean = sum / static_cast<float>(members);
          const float ulp = std::nextafter(std::abs(mean), INFINITY) - std::abs(mean);
          ASSERT_LE(std::abs(pooled[g * head_size + i] - mean), ulp) << tensor.name << " element " << i;
        }
      }
    }
  }
}

TEST(ConvertCheckpointTest, SameInputSameBytes) {
  const TemporaryFolder folder;
  for (const char* method : {"mean", "random"}) {
    const Conversion how{.groups = 1, .method = method, .seed = 3};
    convert(checkpoint("gguf-llama-q8_0/model.gguf"), folder.path() / "a.gguf", how);
    convert(checkpoint("gguf-llama-q8_0/model.gguf"), folder.path() / "b.gguf", how);
    EXPECT_EQ(file_bytes(folder.path() / "a.gguf"), file_bytes(folder.path() / "b.gguf"));
    convert(checkpoint("llama-gqa-9-3"), folder.path() / "a", how);
    convert(checkpoint("llama-gqa-9-3"), folder.path() / "b", how);
    EXPECT_EQ(file_bytes(folder.path() / "a/model.safetensors"), file_bytes(folder.path() / "b/model.safetensors"));
    EXPECT_EQ(file_bytes(folder.path() / "a/config.json"), file_bytes(folder.path() / "b/config.json"));
    for (const char* name : {"a.gguf", "b.gguf", "a", "b"}) fs::remove_all(folder.path() / name);
  }
}

TEST(ConvertCheckpointTest, TypesAreWrittenAndFallBackWhereRowsDoNotFit) {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "out.gguf";
  for (const WeightFormat type : {WeightFormat::kF32, WeightFormat::kF16, WeightFormat::kBF16, WeightFormat::kQ8_0,
                                  WeightFormat::kQ4_0, WeightFormat::kQ4_1}) {
    convert(checkpoint("gguf-llama-f16/model.gguf"), out, {.groups = 1, .type = type, .overwrite = Overwrite::kYes});
    const ModelFile written = ModelFile::open(out);
    for (const FileTensor& tensor : written.tensors()) {
      EXPECT_EQ(tensor.format, tensor.shape.size() > 1 ? type : WeightFormat::kF32) << tensor.name;
    }
  }
  // Rows of 20 elements are no whole blocks.
  const ConvertReport report = convert(checkpoint("gguf-llama-f32/model.gguf"), out,
                                       {.groups = 1, .type = WeightFormat::kQ8_0, .overwrite = Overwrite::kYes});
  EXPECT_EQ(ModelFile::open(out).find("blk.0.attn_k.weight")->format, WeightFormat::kF16);
  ASSERT_FALSE(report.notes.empty());
  EXPECT_NE(report.notes[0].find("rows of 20 elements"), std::string::npos) << report.notes[0];
  // K-quants are read, not written: merged tensors become q8_0, the others stay.
  const ConvertReport mixed =
      convert(checkpoint("gguf-llama-k-mix/model.gguf"), out, {.groups = 1, .overwrite = Overwrite::kYes});
  const ModelFile before = ModelFile::open(checkpoint("gguf-llama-k-mix/model.gguf")), after = ModelFile::open(out);
  EXPECT_EQ(after.find("blk.0.attn_v.weight")->format, WeightFormat::kQ8_0);
  EXPECT_EQ(after.find("blk.0.ffn_down.weight")->format, before.find("blk.0.ffn_down.weight")->format);
  EXPECT_FALSE(mixed.notes.empty());
}

// Refused before anything is written.
TEST(ConvertCheckpointTest, Refusals) {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "out.gguf";
  const auto expect = [&](const fs::path& from, const fs::path& to, const Conversion& how,
                          std::initializer_list<const char*> fragments) {
    try {
      convert(from, to, how);
      ADD_FAILURE() << "nothing was refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage) << error.what();
      for (const char* fragment : fragments) {
        EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << fragment << " in: " << error.what();
      }
    }
  };
  const fs::path gqa = checkpoint("llama-gqa-9-3");
  expect(gqa, out, {.groups = 2}, {"layer 0", "3 KV heads", "k_proj.weight", "[96, 18]", "2 does not divide"});
  expect(gqa, out, {.groups = 9}, {"3 KV heads", "9 does not divide"});
  expect(gqa, out, {.groups = 1, .method = "average"}, {"unknown merge method 'average'"});
  expect(gqa, folder.path() / "dir", {.groups = 1, .type = WeightFormat::kQ8_0}, {"--type q8_0", "safetensors"});
  expect(gqa, out, {.groups = 1, .type = WeightFormat::kQ6_K}, {"--type q6_k"});
  {
    const TemporaryFolder models;
    const fs::path gemma = models.write("gemma.gguf", tiny_gemma().build());
    for (const char* method : {"align", "svd"}) {
      expect(gemma, out, {.groups = 1, .method = method}, {method, "layer 0", "per-head norms"});
    }
  }
  expect(gqa, gqa, {.groups = 1, .overwrite = Overwrite::kYes}, {"it is the input"});
  expect(checkpoint("gguf-llama-f32/model.gguf"), checkpoint("gguf-llama-f32/model.gguf"),
         {.groups = 1, .overwrite = Overwrite::kYes}, {"it is the input"});
  expect(checkpoint("gguf-split-f32/model-00001-of-00002.gguf"), checkpoint("gguf-split-f32/model-00002-of-00002.gguf"),
         {.overwrite = Overwrite::kYes}, {"it is the input"});
  expect(gqa, folder.path() / "absent" / "out.gguf", {.groups = 1}, {"its folder does not exist"});
  expect(checkpoint("mistral-window"), out, {}, {"window of 7 tokens"});
  expect(checkpoint("llama-yarn-mscale"), out, {}, {"yarn"});
  EXPECT_TRUE(fs::is_empty(folder.path()));

  std::ofstream(out) << "mine";
  expect(gqa, out, {.groups = 1}, {"exists already", "--force"});
  EXPECT_EQ(file_bytes(out), "mine");
  convert(gqa, out, {.groups = 1, .overwrite = Overwrite::kYes});
  EXPECT_EQ(read_outline(ModelFile::open(out)).config.layers[0].kv_heads, 1u);

  // --force replaces a model's directory, nothing else.
  fs::create_directories(folder.path() / "photos");
  std::ofstream(folder.path() / "photos/holiday.jpg") << "dear to somebody";
  expect(gqa, folder.path() / "photos", {.groups = 1, .overwrite = Overwrite::kYes}, {"not a model's directory"});
  EXPECT_TRUE(fs::exists(folder.path() / "photos/holiday.jpg"));
}

TEST(ConvertCheckpointTest, IncompleteTokenizerFilesAreRefused) {
  const TemporaryFolder folder;
  const fs::path source = folder.path() / "source";
  fs::copy(checkpoint("llama-gqa-9-3"), source);
  std::ofstream(source / "tokenizer_config.json") << "{}";
  try {
    convert(source, folder.path() / "out.gguf", {.groups = 1});
    ADD_FAILURE() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadModel);
    EXPECT_NE(std::string(error.what()).find("neither tokenizer.json nor tokenizer.model"), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(folder.path() / "out.gguf"));
}

// One G per layer, in both kinds of checkpoints; what is written can be read and converted again.
TEST(ConvertCheckpointTest, LayersMayDiffer) {
  const TemporaryFolder folder;
  const fs::path directory = folder.path() / "out", file = folder.path() / "out.gguf";
  const ConvertReport report = convert(checkpoint("llama-mha-4-4"), directory, {.per_layer = {4, 2}});
  ASSERT_FALSE(report.notes.empty());
  EXPECT_NE(report.notes[0].find("different numbers of groups (4,2)"), std::string::npos) << report.notes[0];
  convert(directory, file, {});
  for (const fs::path& path : {directory, file}) {
    const ModelOutline outline = read_outline(ModelFile::open(path));
    EXPECT_EQ(outline.config.layers[0].kv_heads, 4u);
    EXPECT_EQ(outline.config.layers[1].kv_heads, 2u);
  }
  const std::string config = file_bytes(directory / "config.json");
  const auto refuse = [&](const std::string& list, const std::string& says) {
    std::string changed = config;
    const std::size_t at = changed.find('[', changed.find("num_key_value_heads_per_layer"));
    changed.replace(at, changed.find(']', at) + 1 - at, list);
    std::ofstream(directory / "config.json") << changed;
    try {
      read_outline(ModelFile::open(directory));
      ADD_FAILURE() << "nothing was refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel);
      EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
    }
  };
  refuse("[4]", "'num_key_value_heads_per_layer' has 1 values for 2 layers");
  refuse("[4, -1]", "'num_key_value_heads_per_layer' holds something else than whole numbers");
  refuse("4", "'num_key_value_heads_per_layer' is not a list");
  refuse("[4, 0]", "layer 1");
}

TEST(ConvertCheckpointTest, ProvenanceIsWritten) {
  const TemporaryFolder folder;
  convert(checkpoint("gguf-llama-f32/model.gguf"), folder.path() / "out.gguf", {.groups = 1});
  const ModelFile out = ModelFile::open(folder.path() / "out.gguf");
  const GgufMetadata& keys = out.metadata();
  EXPECT_EQ(keys.get_string("regroup.source.name"), "model.gguf");
  const ModelFile source = ModelFile::open(checkpoint("gguf-llama-f32/model.gguf"));
  EXPECT_EQ(keys.get_string("regroup.source.checksum"), checksum(source));
  EXPECT_EQ(keys.get_string("regroup.method"), "mean");
  EXPECT_EQ(keys.get_u32s("regroup.groups"), (std::vector<std::uint32_t>{1, 1}));
  EXPECT_EQ(keys.get_strings("regroup.members")[0], "0,1");
  convert(checkpoint("llama-gqa-9-3"), folder.path() / "out", {.groups = 1});
  const ModelFile directory = ModelFile::open(folder.path() / "out");
  EXPECT_EQ(directory.config().at("regroup").at("method"), "mean");
  EXPECT_EQ(directory.config().at("regroup").at("source_checksum"),
            checksum(ModelFile::open(checkpoint("llama-gqa-9-3"))));
  EXPECT_EQ(directory.config().at("num_key_value_heads"), 1);
}

// What an earlier conversion said of its own output is not true of this one.
TEST(ConvertCheckpointTest, ProvenanceOfTheSourceIsNotKept) {
  const TemporaryFolder folder;
  TinyModel tiny;
  tiny.more_keys = [](GgufBuilder& keys) {
    keys.string("regroup.method", "svd").string("regroup.calibration", "a text");
    keys.array<float>("regroup.errors", GgufBuilder::kF32, {0.25f, 0.5f});
  };
  convert(folder.write("model.gguf", tiny.build()), folder.path() / "out.gguf", {.groups = 1});
  const ModelFile out = ModelFile::open(folder.path() / "out.gguf");
  EXPECT_EQ(out.metadata().get_string("regroup.method"), "mean");
  EXPECT_FALSE(out.metadata().contains("regroup.calibration"));
  EXPECT_FALSE(out.metadata().contains("regroup.errors"));
}

// Norms of queries and keys leave `auto` only methods that do not touch Q and O: these stay as they are.
TEST(ConvertCheckpointTest, WhatNoMethodChangesIsCopied) {
  const TemporaryFolder folder;
  const auto expect_queries = [&](const TinyModel& tiny, const std::string& method, bool copied) {
    SCOPED_TRACE(tiny.architecture + " by " + method);
    const ModelFile file = ModelFile::open(folder.write("model.gguf", tiny.build()));
    const ModelOutline outline = read_outline(file);
    ConvertCheckpoint job{.source = file, .outline = outline};
    job.settings = {.method = method, .groups = uniform_groups(outline.config, 1)};
    job.target = folder.path() / "out.gguf";
    for (const OutputTensor& tensor : check_conversion(job).tensors) {
      if (tensor.role == TensorRole::kQuery || tensor.role == TensorRole::kAttentionOutput) {
        EXPECT_EQ(tensor.is_copy(), copied) << tensor.plan.name;
      }
    }
  };
  expect_queries(tiny_gemma(), "auto", true);
  expect_queries(tiny_gemma(), "mean", true);
  expect_queries({}, "auto", false);
  expect_queries({}, "align", false);
  expect_queries({}, "mean", true);
}

}  // namespace
}  // namespace regroup::test
