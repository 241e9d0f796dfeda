// Known models from the user's cache, if they are there, and the time that opening takes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "runtime/file/model_file.h"
#include "tests/file/file_support.h"
#include "tests/support/gguf_builder.h"

namespace regroup::test {
namespace {

double elapsed_ms(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// The best of a few, so that a busy machine does not fail the test.
double best_ms(const std::function<void()>& work) {
  double best = elapsed_ms(work);
  for (int i = 0; i < 4; ++i) best = std::min(best, elapsed_ms(work));
  return best;
}

// Where assets/fetch_model.py puts it; empty when it is not there.
fs::path cached_model(const std::string& name) {
  const char* own = std::getenv("REGROUP_CACHE");
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path cache;
  if (own != nullptr && *own != '\0') {
    cache = own;
  } else if (xdg != nullptr && *xdg != '\0') {
    cache = fs::path(xdg) / "regroup";
  } else if (home != nullptr) {
    cache = fs::path(home) / ".cache" / "regroup";
  }
  const fs::path path = cache / "models" / (name + ".gguf");
  return fs::exists(path) ? path : fs::path();
}

#define REGROUP_NEED_MODEL(path, name)      \
  const fs::path path = cached_model(name); \
  if (path.empty())                         \
  GTEST_SKIP() << "NOT TESTED: " << name << " is not in the cache; python3 assets/fetch_model.py " << name

TEST(KnownModels, SmolLM2Opens) {
  REGROUP_NEED_MODEL(path, "smollm2-135m");
  const ModelFile model = ModelFile::open(path);
  EXPECT_EQ(model.tensors().size(), 272u);
  EXPECT_EQ(model.metadata().get_string("general.architecture"), "llama");
  EXPECT_EQ(model.metadata().get_u32("llama.attention.head_count"), 9u);
  EXPECT_EQ(model.metadata().get_u32("llama.attention.head_count_kv"), 3u);
  EXPECT_EQ(model.metadata().get_f32("llama.rope.freq_base"), 100000.0F);
  const FileTensor* key = model.find("blk.0.attn_k.weight");
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->shape, (std::vector<std::uint64_t>{192, 576}));
  EXPECT_EQ(key->format, WeightFormat::kQ4_1);
  ASSERT_TRUE(model.vocabulary().has_value());
  const Vocabulary& vocabulary = *model.vocabulary();
  EXPECT_EQ(vocabulary.kind, VocabularyKind::kByteLevelBpe);
  EXPECT_EQ(vocabulary.pre_tokenizer, "smollm");
  EXPECT_EQ(vocabulary.tokens.size(), 49152u);
  EXPECT_EQ(vocabulary.merges.size(), 48900u);
  EXPECT_EQ(vocabulary.tokens[1], "<|im_start|>");
  EXPECT_EQ(vocabulary.bos, 1u);
  EXPECT_EQ(vocabulary.eos, 2u);
  EXPECT_NE(model.chat_template().find("<|im_start|>"), std::string::npos);
  EXPECT_LT(best_ms([&] { ModelFile::open(path); }), 200.0);
}

TEST(KnownModels, Gemma3Opens) {
  REGROUP_NEED_MODEL(path, "gemma3-270m");
  const ModelFile model = ModelFile::open(path);
  EXPECT_EQ(model.tensors().size(), 236u);
  EXPECT_EQ(model.metadata().get_string("general.architecture"), "gemma3");
  const FileTensor* embedding = model.find("token_embd.weight");
  ASSERT_NE(embedding, nullptr);
  EXPECT_EQ(embedding->shape, (std::vector<std::uint64_t>{262144, 640}));
  ASSERT_TRUE(model.vocabulary().has_value());
  EXPECT_EQ(model.vocabulary()->kind, VocabularyKind::kSentencePiece);
  EXPECT_EQ(model.vocabulary()->tokens.size(), 262144u);
  EXPECT_EQ(model.vocabulary()->scores.size(), 262144u);
  EXPECT_EQ(model.vocabulary()->tokens[2], "<bos>");
  EXPECT_EQ(model.vocabulary()->bos, 2u);
  EXPECT_EQ(model.vocabulary()->add_bos, true);
  EXPECT_LT(best_ms([&] { ModelFile::open(path); }), 200.0);
}

TEST(KnownModels, LargeVocabularyIsReadQuickly) {
  constexpr std::size_t kTokens = 262144;
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < kTokens; ++i) tokens.push_back("token" + std::to_string(i));
  GgufBuilder b;
  b.string("tokenizer.ggml.model", "llama").strings("tokenizer.ggml.tokens", tokens);
  b.array<float>("tokenizer.ggml.scores", GgufBuilder::kF32, std::vector<float>(kTokens, -1));
  b.array<std::int32_t>("tokenizer.ggml.token_type", GgufBuilder::kI32, std::vector<std::int32_t>(kTokens, 1));
  const TemporaryFolder folder;
  const fs::path path = folder.write("large.gguf", b.build());
  EXPECT_EQ(ModelFile::open(path).vocabulary()->tokens.back(), "token262143");
  const double ms = best_ms([&] { ModelFile::open(path); });
  RecordProperty("open_us", static_cast<int>(ms * 1000));
  // Generous: an optimised build takes some 50 ms, but a sanitizer's build on a busy machine is many times slower.
  EXPECT_LT(ms, 1000.0);
}

TEST(KnownModels, RecordedCheckpointsOpen) {
  const fs::path folder = fs::path(REGROUP_SOURCE_DIR) / "tests" / "data" / "checkpoints";
  if (!fs::exists(folder)) GTEST_SKIP() << "NOT TESTED: " << folder << " is not there";
  std::size_t opened = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    fs::path path = entry.path();
    if (!fs::is_directory(path)) continue;
    if (!fs::exists(path / "config.json")) {
      path /= fs::exists(path / "model.gguf") ? "model.gguf" : "model-00001-of-00002.gguf";
    }
    SCOPED_TRACE(path.string());
    EXPECT_GT(ModelFile::open(path).tensors().size(), 10u);
    ++opened;
  }
  EXPECT_GT(opened, 20u);
}

}  // namespace
}  // namespace regroup::test
