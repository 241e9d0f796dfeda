// Refining all merged layers together: predictions come nearer to the original's, layers that are not merged stay, the
// same seed gives the same weights; and a conversion that is stopped in it goes on to the same bytes.
#include "converter/joint_refinement.h"

#include "converter/attention_layer_io.h"
#include "converter/merge.h"
#include "runtime/core/error.h"
#include "runtime/model/architecture.h"
#include "tests/converter/conversion_support.h"
#include "tests/support/device_fixture.h"
#include "tests/support/drivers.h"

namespace regroup::test {
namespace {

CalibrationText some_text(std::uint32_t vocabulary) {
  CalibrationText text{.sequences = 72, .sequence_length = 8, .held_out = 8};
  for (std::uint32_t i = 0; i < text.sequences * text.sequence_length; ++i) {
    text.tokens.push_back((i * i * 7 + i * 3 + i / 24) % vocabulary);
  }
  return text;
}

class JointRefinementDeviceTest : public DeviceTest {
 protected:
  struct Result {
    JointOutcome outcome;
    std::vector<MergedLayer> before, after;
  };

  // Pools layers that have more than groups[l] heads.
  Result refine(const std::string& name, const std::vector<std::uint32_t>& groups, std::uint64_t seed = 3) {
    const ModelFile file = ModelFile::open(checkpoint(name));
    const ModelOutline outline = read_outline(file);
    const ModelConfig& config = outline.config;
    const TensorTable table(file, outline.architecture->tensor_names(), config.layer_count());
    Result out;
    for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
      const std::uint32_t heads = config.layers[l].kv_heads;
      MergedLayer layer{.layer = l, .groups = HeadGroups::contiguous(heads, groups[l]), .method = "none"};
      if (groups[l] != heads) {
        layer.method = "mean";
        layer.attention = merge_method_named("mean").merge(read_attention_layer(table, config, l), layer.groups, {});
      }
      out.before.push_back(layer);
    }
    out.after = out.before;
    const CalibrationText text = some_text(config.vocabulary);
    const KernelProfile profile = kernel_profile(device());
    out.outcome = refine_jointly(
        {.device = device(), .profile = profile, .file = file, .outline = outline, .text = text, .seed = seed},
        out.after);
    return out;
  }

  ConvertReport convert_jointly(const fs::path& to, const CancelFlag* cancel = nullptr, Progress progress = {}) {
    const ModelFile file = ModelFile::open(checkpoint("llama-mha-4-4"));
    const ModelOutline outline = read_outline(file);
    ConvertCheckpoint job{.source = file, .outline = outline};
    job.settings = {.method = "auto", .groups = uniform_groups(outline.config, 2)};
    job.target = to;
    job.device = &device();
    job.profile = kernel_profile(device());
    job.make_text = job.make_joint_text = [&] { return some_text(outline.config.vocabulary); };
    job.text_origin = "test";
    job.progress = std::move(progress);
    job.cancel = cancel;
    return convert_checkpoint(job);
  }
};

TEST_F(JointRefinementDeviceTest, PredictionsComeNearer) {
  for (const char* name : {"llama-mha-4-4", "qwen2-mha-tied"}) {
    SCOPED_TRACE(name);
    const Result result = refine(name, {1, 1});
    EXPECT_GT(result.outcome.before, 0.0);
    EXPECT_LT(result.outcome.after, 0.9 * result.outcome.before);
    const AttentionLayer& layer = result.after[0].attention;
    EXPECT_EQ(layer.kv_heads, 1u);
    EXPECT_TRUE(layer.query.allFinite() && layer.key.allFinite() && layer.value.allFinite());
    EXPECT_NE(layer.output, result.before[0].attention.output);
    EXPECT_EQ(layer.query_bias.size() > 0, result.before[0].attention.query_bias.size() > 0);
  }
}

TEST_F(JointRefinementDeviceTest, UnmergedLayersStayAndTheSameSeedGivesTheSame) {
  const Result first = refine("llama-mha-4-4", {4, 2}), second = refine("llama-mha-4-4", {4, 2});
  EXPECT_EQ(first.after[0].attention.query.size(), 0);
  EXPECT_NE(first.after[1].attention.key, first.before[1].attention.key);
  EXPECT_EQ(first.after[1].attention.key, second.after[1].attention.key);
  EXPECT_EQ(first.outcome.after, second.outcome.after);
  EXPECT_NE(refine("llama-mha-4-4", {4, 2}, 4).after[1].attention.key, first.after[1].attention.key);
}

TEST_F(JointRefinementDeviceTest, OnlyAutoOnModelsThatItKnows) {
  const auto asked = [](const fs::path& path, const std::string& method, std::uint32_t groups) {
    const ModelFile file = ModelFile::open(path);
    const ModelOutline outline = read_outline(file);
    return refines_jointly(file, outline, {.method = method, .groups = uniform_groups(outline.config, groups)});
  };
  EXPECT_TRUE(asked(checkpoint("llama-mha-4-4"), "auto", 1));
  EXPECT_FALSE(asked(checkpoint("llama-mha-4-4"), "auto", 0));
  EXPECT_FALSE(asked(checkpoint("llama-mha-4-4"), "refine", 1));
  EXPECT_FALSE(asked(checkpoint("gemma3-pattern-6"), "auto", 1));
  // Biases of one layer only, or of one projection only.
  const TemporaryFolder folder;
  const auto biased = [&](std::initializer_list<std::string> projections) {
    return asked(folder.write("biased.gguf", tiny_with_biases(projections).build()), "auto", 1);
  };
  EXPECT_TRUE(biased({}));
  EXPECT_TRUE(biased({"blk.0.attn_q", "blk.0.attn_k", "blk.0.attn_v", "blk.1.attn_q", "blk.1.attn_k", "blk.1.attn_v"}));
  EXPECT_FALSE(biased({"blk.1.attn_q", "blk.1.attn_k", "blk.1.attn_v"}));
  EXPECT_FALSE(biased({"blk.0.attn_v", "blk.1.attn_v"}));
}

TEST_F(JointRefinementDeviceTest, StoppedWorkIsPickedUpAndGivesTheSameBytes) {
  const TemporaryFolder folder;
  const fs::path whole = folder.path() / "whole.gguf", stopped = folder.path() / "stopped.gguf";
  const ConvertReport report = convert_jointly(whole);
  ASSERT_FALSE(report.notes.empty());
  EXPECT_NE(report.notes.back().find("all layers refined together"), std::string::npos) << report.notes.back();
  CancelFlag cancel{false};
  try {
    convert_jointly(stopped, &cancel, [&](std::string_view label, double fraction) {
      if (label.starts_with("refining all") && fraction > 0.3) cancel = true;
    });
    FAIL() << "was not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInterrupted) << error.what();
  }
  EXPECT_FALSE(fs::exists(stopped));
  convert_jointly(stopped);
  EXPECT_EQ(file_bytes(whole), file_bytes(stopped));
  EXPECT_FALSE(fs::exists(stopped.string() + ".regroup-state"));
}

// A file system that lost the end of some files: they are made again by the same command.
TEST_F(JointRefinementDeviceTest, DamagedFinishedLayersAreMadeAgain) {
  if (is_slow_driver()) GTEST_SKIP() << "what is damaged here is the host's";
  const TemporaryFolder folder;
  const fs::path whole = folder.path() / "whole.gguf", stopped = folder.path() / "stopped.gguf";
  const fs::path state = stopped.string() + ".regroup-state";
  convert_jointly(whole);
  for (const char* damaged : {"layer-0000.safetensors", "joint/layer-0001.safetensors"}) {
    SCOPED_TRACE(damaged);
    CancelFlag cancel{false};
    EXPECT_THROW(convert_jointly(stopped, &cancel,
                                 [&](std::string_view label, double) { cancel = cancel || label == "writing"; }),
                 Error);
    fs::resize_file(state / damaged, fs::file_size(state / damaged) / 2);
    convert_jointly(stopped);
    EXPECT_EQ(file_bytes(whole), file_bytes(stopped));
    EXPECT_FALSE(fs::exists(state));
    fs::remove(stopped);
  }
}

}  // namespace
}  // namespace regroup::test
