// Files whose containers are sound but whose models are not: refused before anything is loaded, naming the tensor or
// the field.
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/core/error.h"
#include "runtime/file/model_file.h"
#include "runtime/model/model.h"
#include "tests/model/tiny_model.h"

namespace regroup::test {
namespace {

class RefusedModels : public ::testing::Test {
 protected:
  void refuse(const TinyModel& model, std::initializer_list<std::string_view> named) {
    const auto path = folder_.write("model.gguf", model.build());
    try {
      read_outline(ModelFile::open(path));
      ADD_FAILURE() << "accepted; expected a refusal naming " << *named.begin();
    } catch (const Error& error) {
      const std::string_view message = error.what();
      EXPECT_EQ(error.code(), ErrorCode::kBadModel) << message;
      EXPECT_EQ(exit_code(error.code()), 3);
      EXPECT_NE(message.find("model.gguf"), std::string_view::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string_view::npos) << message;
      for (const std::string_view part : named) EXPECT_NE(message.find(part), std::string_view::npos) << message;
    }
  }
  TemporaryFolder folder_;
};

TEST_F(RefusedModels, TheTinyModelItselfIsRight) {
  const TinyModel model;
  const ModelOutline outline = read_outline(ModelFile::open(folder_.write("model.gguf", model.build())));
  EXPECT_EQ(outline.config.query_heads, 4u);
  EXPECT_EQ(outline.config.layers.at(1).kv_heads, 2u);
  EXPECT_EQ(outline.config.vocabulary, 40u);
  const std::uint64_t per_layer = 2 * 64 + 2 * (64 * 128) + 2 * (64 * 64) + 3 * (64 * 96);
  EXPECT_EQ(outline.parameters, 64u * 40 + 64 + 2 * per_layer);
}

TEST_F(RefusedModels, EveryMissingTensorIsNamed) {
  for (const char* name :
       {"token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.1.attn_q.weight",
        "blk.0.attn_k.weight", "blk.1.attn_v.weight", "blk.0.attn_output.weight", "blk.0.ffn_norm.weight",
        "blk.0.ffn_gate.weight", "blk.1.ffn_up.weight", "blk.1.ffn_down.weight"}) {
    TinyModel model;
    model.missing = {name};
    refuse(model, {name, "missing"});
  }
}

TEST_F(RefusedModels, UnknownTensorsAreNamed) {
  TinyModel model;
  model.added = {TinyModel::f32_tensor("blk.0.attn_sinks.weight", {4})};
  refuse(model, {"blk.0.attn_sinks.weight", "unknown"});
  // A layer more than block_count says.
  model.added = {TinyModel::f32_tensor("blk.2.attn_norm.weight", {64})};
  refuse(model, {"blk.2.attn_norm.weight"});
  model.added = {TinyModel::f32_tensor("evil\x1b[2J", {4})};
  refuse(model, {"evil\\u{1b}"});
}

TEST_F(RefusedModels, ExtrasOfExportersAreLeftOutWithARemark) {
  TinyModel model;
  model.added = {TinyModel::f32_tensor("exporter.note", {4}), TinyModel::f32_tensor("blk.0.attn_rot_embd", {16})};
  const ModelOutline with = read_outline(ModelFile::open(folder_.write("model.gguf", model.build())));
  EXPECT_EQ(with.unused_tensors, std::set<std::string>{"exporter.note"});
  EXPECT_NE(with.remark().find("1 tensor that no model of its kind uses, such as 'exporter.note'"), std::string::npos);
  const ModelOutline without = read_outline(ModelFile::open(folder_.write("model.gguf", TinyModel().build())));
  EXPECT_EQ(without.remark(), "");
  EXPECT_EQ(with.parameters, without.parameters + 16);
}

TEST_F(RefusedModels, NumbersPerLayerMustBeEqual) {
  TinyModel model;
  model.heads_by_layer = {4, 4};
  model.feed_forward_by_layer = {96, 96};
  const ModelOutline outline = read_outline(ModelFile::open(folder_.write("model.gguf", model.build())));
  EXPECT_EQ(outline.config.query_heads, 4u);
  EXPECT_EQ(outline.config.feed_forward, 96u);
  model.heads_by_layer = {4, 2};
  refuse(model, {"llama.attention.head_count", "4", "2"});
  model.heads_by_layer = {4};
  refuse(model, {"llama.attention.head_count", "1 values for 2 layers"});
  model.heads_by_layer = {};
  model.feed_forward_by_layer = {96, 0};
  refuse(model, {"llama.feed_forward_length", "96", "0"});
}

TEST_F(RefusedModels, WrongShapesAreNamedWithBothShapes) {
  const auto shaped = [](const char* name, std::vector<std::uint64_t> dimensions) {
    TinyModel model;
    model.changes[name] = [=](GgufBuilder::Tensor& tensor) { tensor = TinyModel::f32_tensor(name, dimensions); };
    return model;
  };
  refuse(shaped("blk.0.attn_k.weight", {64, 128}), {"blk.0.attn_k.weight", "[128, 64]", "[64, 64]"});
  refuse(shaped("blk.1.attn_q.weight", {64, 64}), {"blk.1.attn_q.weight", "[64, 64]", "[128, 64]"});
  refuse(shaped("blk.0.attn_output.weight", {64, 128}), {"blk.0.attn_output.weight"});  // transposed
  refuse(shaped("blk.0.ffn_down.weight", {64, 96}), {"blk.0.ffn_down.weight"});
  refuse(shaped("output_norm.weight", {65}), {"output_norm.weight", "65"});
  refuse(shaped("token_embd.weight", {32, 40}), {"token_embd.weight"});
  refuse(shaped("blk.0.attn_norm.weight", {64, 2}), {"blk.0.attn_norm.weight"});
  refuse(shaped("blk.0.ffn_up.weight", {64, 2, 48}), {"blk.0.ffn_up.weight", "[48, 2, 64]", "[96, 64]"});
  const TinyModel padded = shaped("blk.0.ffn_up.weight", {64, 96, 1});
  EXPECT_NO_THROW(read_outline(ModelFile::open(folder_.write("model.gguf", padded.build()))));
}

TEST_F(RefusedModels, AStatedVocabularyIsTheEmbeddings) {
  TinyModel model;
  for (const std::uint32_t stated : {1u, 39u, 41u}) {
    model.more_keys = [=](GgufBuilder& b) { b.u32("llama.vocab_size", stated); };
    refuse(model, {fmt::format("key 'llama.vocab_size' is {}, but tensor 'token_embd.weight' has 40 rows", stated)});
  }
  model.more_keys = [](GgufBuilder& b) { b.array<std::uint32_t>("llama.vocab_size", GgufBuilder::kU32, {40}); };
  refuse(model, {"key 'llama.vocab_size' is an array"});
  model.more_keys = [](GgufBuilder& b) { b.u32("llama.vocab_size", 40); };
  EXPECT_NO_THROW(read_outline(ModelFile::open(folder_.write("model.gguf", model.build()))));
}

TEST_F(RefusedModels, RotaryMagnitudesCountWithEveryScaling) {
  TinyModel model;
  const auto with = [&](const char* scaling, float factor) {
    model.more_keys = [=](GgufBuilder& b) {
      b.string("llama.rope.scaling.type", scaling).f32("llama.rope.scaling.factor", 4);
      b.f32("llama.rope.scaling.attn_factor", factor);
    };
  };
  for (const char* scaling : {"none", "linear", "yarn"}) {
    with(scaling, NAN);
    refuse(model, {"key 'llama.rope.scaling.attn_factor' is nan"});
    with(scaling, 2);
    const ModelOutline outline = read_outline(ModelFile::open(folder_.write("model.gguf", model.build())));
    EXPECT_GE(outline.config.rope.attention_factor, 2) << scaling;
  }
}

TEST_F(RefusedModels, HeadsMustDivide) {
  TinyModel model;
  model.kv_heads = 3;
  refuse(model, {"key 'llama.attention.head_count_kv' is 3 in layer 0", "4 query heads"});
  model.kv_heads = 8;
  refuse(model, {"key 'llama.attention.head_count_kv' is 8"});
  model.told_kv_heads = 0;
  refuse(model, {"key 'llama.attention.head_count_kv' is 0"});
  model = {};
  model.told_heads = 0;
  refuse(model, {"attention.head_count", "0"});
}

TEST_F(RefusedModels, UnsupportedHeadSizes) {
  TinyModel model;
  model.head_dim = 36;
  refuse(model, {"key 'llama.attention.key_length' is 36", "8"});
  model.head_dim = 4;
  refuse(model, {"key 'llama.attention.key_length' is 4", "8"});
  model.head_dim = 264;
  refuse(model, {"key 'llama.attention.key_length' is 264", "256"});
}

TEST_F(RefusedModels, LayerCountsAreCheckedBeforeAnythingIsSizedByThem) {
  TinyModel model;
  model.layers = 0;
  refuse(model, {"block_count", "0"});
}

TEST_F(RefusedModels, KeysThatAskForAnotherComputation) {
  TinyModel model;
  model.more_keys = [](GgufBuilder& b) { b.u32("llama.expert_count", 8); };
  refuse(model, {"llama.expert_count", "8", "experts"});
  model.more_keys = [](GgufBuilder& b) { b.boolean("llama.attention.causal", false); };
  refuse(model, {"llama.attention.causal", "causal"});
  model.more_keys = [](GgufBuilder& b) {
    b.string("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4);
    b.f32("llama.rope.scaling.attn_factor", -1);
  };
  refuse(model, {"key 'llama.rope.scaling.attn_factor'", "-"});
  model.more_keys = [](GgufBuilder& b) {
    b.string("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4);
    b.f32("llama.rope.scaling.yarn_ext_factor", 0.5f);
  };
  refuse(model, {"key 'llama.rope.scaling.yarn_ext_factor' is 0.5; only 1"});
  for (const char* kind : {"adapter", "mmproj", "imatrix"}) {
    model.more_keys = [=](GgufBuilder& b) { b.string("general.type", kind); };
    refuse(model, {"key 'general.type' is '", kind, "expected a model"});
  }
}

TEST_F(RefusedModels, YarnsRangeAndMagnitudeAreRead) {
  TinyModel model;
  const auto with = [&](float fast, float slow) {
    model.more_keys = [=](GgufBuilder& b) {
      b.string("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 1);
      b.f32("llama.rope.scaling.yarn_beta_fast", fast).f32("llama.rope.scaling.yarn_beta_slow", slow);
      b.f32("llama.rope.scaling.yarn_attn_factor", 3).f32("llama.rope.scaling.yarn_ext_factor", -1);
    };
  };
  with(16, 2);
  const RopeConfig rope = read_outline(ModelFile::open(folder_.write("model.gguf", model.build()))).config.rope;
  EXPECT_EQ(rope.beta_fast, 16);
  EXPECT_EQ(rope.beta_slow, 2);
  EXPECT_EQ(rope.attention_factor, 3);
  with(2, 16);
  refuse(model, {"key 'llama.rope.scaling.yarn_beta_fast' is 2, expected a number above 16"});
  with(NAN, 1);
  refuse(model, {"key 'llama.rope.scaling.yarn_beta_fast' is nan"});
}

TEST_F(RefusedModels, NumbersOutOfRangeAreNamedByTheirKeys) {
  const auto with = [](std::string key, float value) {
    TinyModel model;
    model.more_keys = [=](GgufBuilder& b) { b.f32(key, value); };
    return model;
  };
  refuse(with("llama.rope.freq_base", -1), {"key 'llama.rope.freq_base' is -1"});
  refuse(with("llama.rope.scaling.factor", 0), {"key 'llama.rope.scaling.factor' is 0"});
  refuse(with("llama.rope.scale_linear", -2), {"key 'llama.rope.scale_linear' is -2"});
  TinyModel model;
  model.norm_epsilon = -1e-5f;
  refuse(model, {"key 'llama.attention.layer_norm_rms_epsilon' is -1e-05"});
  model = {};
  model.more_keys = [](GgufBuilder& b) { b.u32("llama.rope.dimension_count", 31); };
  refuse(model, {"key 'llama.rope.dimension_count' is 31, expected an even number"});
}

TEST_F(RefusedModels, UnknownArchitecturesAreNamedWithTheKnown) {
  TinyModel model;
  model.architecture = "mamba";
  refuse(model, {"key 'general.architecture' is 'mamba'", "llama", "gemma3"});
  model.architecture = "";
  refuse(model, {"key 'general.architecture' names no architecture", "llama"});
}

}  // namespace
}  // namespace regroup::test
