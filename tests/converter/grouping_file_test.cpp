// Merged layers on the device and in files: a model decodes under them as under the same layers pooled on the device,
// and damaged files are refused.
#include "converter/grouping_file.h"

#include <cmath>
#include <fstream>
#include <set>

#include "converter/attention_layer_io.h"
#include "converter/merge.h"
#include "runtime/core/error.h"
#include "runtime/model/architecture.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;

const std::string kKey(32, 'k');

fs::path checkpoint(const std::string& name) {
  return source_path("tests/data/checkpoints/" + name);
}

// All layers by mean pooling on the host, or as they are where `groups` is all heads.
std::vector<MergedLayer> merged_layers(const ModelFile& file, std::uint32_t groups) {
  const ModelOutline outline = read_outline(file);
  const TensorTable table(file, outline.architecture->tensor_names(), outline.config.layer_count());
  std::vector<MergedLayer> layers;
  for (std::uint32_t l = 0; l < outline.config.layer_count(); ++l) {
    const AttentionLayer source = read_attention_layer(table, outline.config, l);
    const HeadGroups members = HeadGroups::contiguous(source.kv_heads, groups);
    layers.push_back({.layer = l,
                      .groups = members,
                      .method = "mean",
                      .error = 0.25 + l,
                      .attention = merge_method_named("mean").merge(source, members, {})});
  }
  return layers;
}

class MergedGroupingDeviceTest : public DeviceTest {
 protected:
  std::vector<float> logits(const Model& model, const Grouping& grouping) {
    Session session(model, grouping, {.context = 32, .cache_type = CacheType::kF32});
    return logits_of(session, {3, 17, 42, 8, 91, 17, 60, 5, 33});
  }
  static double apart(const std::vector<float>& a, const std::vector<float>& b) {
    double worst = a.size() == b.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
      worst = std::max(worst, static_cast<double>(std::abs(a[i] - b[i])));
    }
    return worst;
  }
};

TEST_F(MergedGroupingDeviceTest, EqualsThePooledGroupingInEveryKernelFamily) {
  for (const std::string& profile : runnable_profiles(device())) {
    for (const char* name : {"llama-biased", "qwen2-mha-tied", "gguf-qwen2-f32/model.gguf", "llama-gqa-6-2-odd-sizes",
                             "gemma3-pattern-6"}) {
      SCOPED_TRACE(name + std::string(" with kernels ") + profile);
      const LoadedModel loaded = load_model(device(), kernel_profile_named(device(), profile), checkpoint(name));
      const ModelConfig& config = loaded.model->config();
      for (const std::uint32_t groups : std::set<std::uint32_t>{config.most_kv_heads(), 1u}) {
        Grouping merged(*loaded.model, GroupPlan::identity(config));
        for (const MergedLayer& layer : merged_layers(loaded.file, groups)) {
          const StoredLayer stored = store_layer(layer, WeightFormat::kF32);
          merged.replace(layer.layer, stored.projections());
        }
        EXPECT_TRUE(merged.has_merged_layers());
        EXPECT_FALSE(merged.is_identity());
        const Grouping pooled(*loaded.model, GroupPlan::contiguous(config, {groups}, PoolMethod::kMean));
        EXPECT_EQ(merged.plan().groups(), pooled.plan().groups());
        EXPECT_LT(apart(logits(*loaded.model, merged), logits(*loaded.model, pooled)), 1e-4);
      }
    }
  }
}

TEST_F(MergedGroupingDeviceTest, SessionsComputeTheCacheAgain) {
  const LoadedModel loaded = load_model(device(), kernel_profile(device()), checkpoint("llama-mha-4-4"));
  Grouping merged(*loaded.model, GroupPlan::identity(loaded.model->config()));
  for (const MergedLayer& layer : merged_layers(loaded.file, 2)) {
    const StoredLayer stored = store_layer(layer, WeightFormat::kF32);
    merged.replace(layer.layer, stored.projections());
  }
  const std::vector<std::uint32_t> tokens = {3, 17, 42, 8, 91};
  Session direct(*loaded.model, merged, {.context = 32});
  direct.prefill(tokens);
  const DecodedToken expected = direct.decode();
  for (const RegroupMode mode : {RegroupMode::kPoolCache, RegroupMode::kReprefill}) {
    Session turned(*loaded.model, *loaded.grouping, {.context = 32});
    turned.prefill(tokens);
    turned.regroup(merged, mode);
    turned.rewind(4);
    turned.prefill(std::span(tokens).subspan(4));
    const DecodedToken found = turned.decode();
    EXPECT_EQ(found.id, expected.id);
    EXPECT_NEAR(found.probability, expected.probability, 1e-5f);
  }
}

class GroupingFileTest : public ::testing::Test {
 protected:
  GroupingFileTest()
      : file_(ModelFile::open(checkpoint("llama-biased"))),
        outline_(read_outline(file_)),
        path_(fs::temp_directory_path() / ("regroup-grouping-test-" + std::to_string(getpid()))) {}
  ~GroupingFileTest() override { fs::remove(path_); }

  void write(WeightFormat format) {
    const auto layers = merged_layers(file_, 1);
    GroupingFileWriter writer(path_, kKey, format, static_cast<std::uint32_t>(layers.size()));
    for (const MergedLayer& layer : layers) writer.add(store_layer(layer, format));
    writer.finish();
  }
  std::vector<StoredLayer> read(const std::string& key = kKey) const {
    std::vector<StoredLayer> layers;
    read_grouping_file(path_, key, outline_.config, [&](const StoredLayer& layer) { layers.push_back(layer); });
    return layers;
  }
  std::string bytes() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // What is read from `content` must be refused, and no layer may have been used.
  void expect_refused(const std::string& content, std::string_view named, const std::string& key = kKey) const {
    std::ofstream(path_, std::ios::binary) << content;
    std::size_t used = 0;
    try {
      read_grouping_file(path_, key, outline_.config, [&](const StoredLayer&) { ++used; });
      ADD_FAILURE() << "accepted; expected a refusal naming " << named;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel) << error.what();
      EXPECT_NE(std::string_view(error.what()).find(named), std::string_view::npos) << error.what();
    }
    EXPECT_EQ(used, 0u);
  }

  ModelFile file_;
  ModelOutline outline_;
  fs::path path_;
};

TEST_F(GroupingFileTest, GivesBackWhatWasWritten) {
  for (const WeightFormat format : {WeightFormat::kF32, WeightFormat::kF16}) {
    write(format);
    const auto layers = merged_layers(file_, 1);
    const auto found = read();
    ASSERT_EQ(found.size(), layers.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      const StoredLayer expected = store_layer(layers[i], format);
      EXPECT_EQ(found[i].layer, expected.layer);
      EXPECT_EQ(found[i].groups, 1u);
      EXPECT_EQ(found[i].method, "mean");
      EXPECT_EQ(found[i].error, expected.error);
      EXPECT_EQ(found[i].format, format);
      EXPECT_EQ(found[i].query, expected.query);
      EXPECT_EQ(found[i].key, expected.key);
      EXPECT_EQ(found[i].value, expected.value);
      EXPECT_EQ(found[i].output, expected.output);
      EXPECT_EQ(found[i].query_bias, expected.query_bias);
      EXPECT_EQ(found[i].key_bias, expected.key_bias);
      EXPECT_EQ(found[i].value_bias, expected.value_bias);
      EXPECT_FALSE(found[i].key_bias.empty());
    }
  }
}

TEST_F(GroupingFileTest, DamageIsFoundWhereverItIs) {
  write(WeightFormat::kF16);
  const std::string whole = bytes();
  for (std::size_t at = 0; at < whole.size(); at += 997) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    expect_refused(damaged, "");
  }
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{7}, std::size_t{63}, std::size_t{90}, whole.size() / 2, whole.size() - 1}) {
    expect_refused(whole.substr(0, length), "");
  }
  expect_refused(whole + "x", "");
  expect_refused(whole, "another model", std::string(32, 'l'));
}

// A file whose checksum is right may still lie.
TEST_F(GroupingFileTest, LayersMustFitTheModel) {
  const auto layers = merged_layers(file_, 1);
  const auto expect_lie = [&](const std::function<void(StoredLayer&)>& change, std::string_view named) {
    StoredLayer lie = store_layer(layers[0], WeightFormat::kF32);
    change(lie);
    GroupingFileWriter writer(path_, kKey, WeightFormat::kF32, 1);
    writer.add(lie);
    writer.finish();
    expect_refused(bytes(), named);
  };
  expect_lie([](StoredLayer& l) { l.layer = 99; }, "layer 99");
  expect_lie([](StoredLayer& l) { l.groups = 3; }, "3 groups");
  expect_lie([](StoredLayer& l) { l.groups = 0; }, "0 groups");
  expect_lie([](StoredLayer& l) { l.groups = 2; }, "");
  expect_lie([](StoredLayer& l) { l.output.resize(l.output.size() - 4); }, "");
  expect_lie([](StoredLayer& l) { l.output.resize(l.output.size() + 4); }, "too many");
  StoredLayer twice = store_layer(layers[0], WeightFormat::kF32);
  GroupingFileWriter writer(path_, kKey, WeightFormat::kF32, 2);
  writer.add(twice);
  writer.add(twice);
  writer.finish();
  expect_refused(bytes(), "twice");
}

TEST_F(GroupingFileTest, AnUnfinishedFileLeavesNothing) {
  {
    GroupingFileWriter writer(path_, kKey, WeightFormat::kF32, 2);
    writer.add(store_layer(merged_layers(file_, 1)[0], WeightFormat::kF32));
  }
  EXPECT_FALSE(fs::exists(path_));
}

}  // namespace
}  // namespace regroup::test
