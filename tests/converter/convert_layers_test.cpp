// Merging layer by layer with calibration text: errors against the host's reference, the choice of `auto`, stopping and
// going on.
#include "converter/convert_layers.h"

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "converter/attention_layer_io.h"
#include "converter/host_attention.h"
#include "runtime/core/error.h"
#include "runtime/model/architecture.h"
#include "runtime/model/rope_table.h"
#include "tests/converter/conversion_support.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

CalibrationText some_text(std::uint32_t vocabulary) {
  CalibrationText text{.sequences = 4, .sequence_length = 24, .held_out = 1};
  for (std::uint32_t i = 0; i < text.sequences * text.sequence_length; ++i) {
    text.tokens.push_back((i * i * 7 + i * 3 + i / 24) % vocabulary);
  }
  return text;
}

// What layer 0 sees of one sequence: the normed embedding, in double precision.
Eigen::MatrixXd first_inputs(const ModelFile& file, const ModelConfig& config, std::span<const std::uint32_t> tokens) {
  const FileTensor& embedding = *file.find("model.embed_tokens.weight");
  const FileTensor& norm = *file.find("model.layers.0.input_layernorm.weight");
  std::vector<float> gain(config.hidden), row(config.hidden);
  decode_row(norm.format, norm.bytes, gain);
  const std::size_t bytes = row_bytes(embedding.format, config.hidden);
  Eigen::MatrixXd inputs(static_cast<Eigen::Index>(tokens.size()), config.hidden);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    decode_row(embedding.format, embedding.bytes.subspan(tokens[t] * bytes, bytes), row);
    double squares = 0;
    for (const float value : row) squares += static_cast<double>(value) * value;
    const double factor = 1 / std::sqrt(squares / config.hidden + config.norm_epsilon);
    for (std::uint32_t i = 0; i < config.hidden; ++i) {
      inputs(static_cast<Eigen::Index>(t), i) = row[i] * factor * gain[i];
    }
  }
  return inputs;
}

class ConvertLayersDeviceTest : public DeviceTest {
 protected:
  std::vector<MergedLayer> merge(const fs::path& path, const MergeSettings& settings) {
    const ModelFile file = ModelFile::open(path);
    const ModelOutline outline = read_outline(file);
    const CalibrationText text = some_text(outline.config.vocabulary);
    std::vector<MergedLayer> layers;
    ConvertLayers job{.file = file, .outline = outline, .settings = settings};
    job.text = &text;
    job.device = &device();
    job.profile = kernel_profile(device());
    job.sink = [&](const MergedLayer& layer) { layers.push_back(layer); };
    convert_layers(job);
    return layers;
  }

  // TARGET written with calibration; the sink of an interrupted run throws after `stop_after` layers.
  ConvertReport convert_calibrated(const fs::path& from, const fs::path& to, const CancelFlag* cancel = nullptr,
                                   std::function<CalibrationText()> make_text = {}, Progress progress = {}) {
    const ModelFile file = ModelFile::open(from);
    const ModelOutline outline = read_outline(file);
    ConvertCheckpoint job{.source = file, .outline = outline};
    job.settings = {.method = "svd", .groups = uniform_groups(outline.config, 2)};
    job.target = to;
    job.device = &device();
    job.profile = kernel_profile(device());
    job.make_text = make_text ? make_text : [&] { return some_text(outline.config.vocabulary); };
    job.text_origin = "test";
    job.cancel = cancel;
    job.progress = std::move(progress);
    return convert_checkpoint(job);
  }

  void stop_after_first_layer(const fs::path& from, const fs::path& to) {
    CancelFlag cancel{false};
    const fs::path finished = to.string() + ".regroup-state/layer-0000.safetensors";
    EXPECT_THROW(
        convert_calibrated(from, to, &cancel, {}, [&](std::string_view, double) { cancel = fs::exists(finished); }),
        Error);
  }
};

TEST_F(ConvertLayersDeviceTest, ErrorOfTheFirstLayerIsTheHostsOwn) {
  const ModelFile file = ModelFile::open(checkpoint("llama-mha-4-4"));
  const ModelOutline outline = read_outline(file);
  const TensorTable table(file, outline.architecture->tensor_names(), outline.config.layer_count());
  const AttentionLayer source = read_attention_layer(table, outline.config, 0);
  const CalibrationText text = some_text(outline.config.vocabulary);
  const std::vector<float> rope =
      make_rope_table(outline.config.rope, outline.config.rotary_dims, text.sequence_length);
  const Eigen::MatrixXd inputs =
      first_inputs(file, outline.config, std::span(text.tokens).last(text.sequence_length));  // the one held out
  for (const char* method : {"mean", "svd", "align"}) {
    SCOPED_TRACE(method);
    const auto layers = merge(checkpoint("llama-mha-4-4"), {.method = method, .groups = {2, 2}});
    ASSERT_EQ(layers.size(), 2u);
    EXPECT_EQ(layers[0].method, method);
    EXPECT_EQ(layers[0].attention.kv_heads, 2u);
    const Eigen::MatrixXd wanted = attend_on_host(source, inputs, rope).output;
    const Eigen::MatrixXd found = attend_on_host(layers[0].attention, inputs, rope).output;
    const double expected = (found - wanted).squaredNorm() / wanted.squaredNorm();
    ASSERT_TRUE(layers[0].error.has_value());
    EXPECT_NEAR(*layers[0].error, expected, 1e-3 * expected);
    ASSERT_TRUE(layers[1].error.has_value());
    EXPECT_GT(*layers[1].error, 0.0);
  }
}

TEST_F(ConvertLayersDeviceTest, AutoIsNeverWorseThanAnyMethodAlone) {
  const MergeSettings automatic{.method = "auto", .groups = {2, 4}};
  const auto chosen = merge(checkpoint("llama-mha-4-4"), automatic);
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_EQ(chosen[1].method, "none");
  for (const char* method : {"mean", "mean-norm", "align", "svd"}) {
    const auto alone = merge(checkpoint("llama-mha-4-4"), {.method = method, .groups = {2, 4}});
    EXPECT_LE(*chosen[0].error, *alone[0].error * 1.0001) << method << " against " << chosen[0].method;
  }
}

// The student starts to differ behind the first merged layer only: a model whose first layer stays gives its second
// layer the teacher's inputs.
TEST_F(ConvertLayersDeviceTest, LayersAreJudgedOnWhatTheMergedModelComputes) {
  const auto second_only = merge(checkpoint("llama-mha-4-4"), {.method = "svd", .groups = {4, 2}});
  const auto both = merge(checkpoint("llama-mha-4-4"), {.method = "svd", .groups = {1, 2}});
  EXPECT_EQ(second_only[0].method, "none");
  EXPECT_NE(*second_only[1].error, *both[1].error);
}

TEST_F(ConvertLayersDeviceTest, QkNormFallsBackToWhatIsExact) {
  const TemporaryFolder folder;
  const auto layers = merge(folder.write("gemma.gguf", tiny_gemma().build()), {.method = "auto", .groups = {1, 1}});
  ASSERT_EQ(layers.size(), 2u);
  for (const MergedLayer& layer : layers) {
    EXPECT_TRUE(layer.method == "mean" || layer.method == "mean-norm") << layer.method;
    ASSERT_TRUE(layer.error.has_value());
    EXPECT_TRUE(std::isfinite(*layer.error));
    EXPECT_GT(*layer.error, 0.0);
  }
}

// GGUF files may have any of a Llama's biases and not the others.
TEST_F(ConvertLayersDeviceTest, LayersMayBePartlyBiased) {
  const TemporaryFolder folder;
  for (const char* bias : {"blk.0.attn_q", "blk.0.attn_k", "blk.0.attn_v", "blk.1.attn_v"}) {
    SCOPED_TRACE(bias);
    const fs::path model = folder.write("model.gguf", tiny_with_biases({bias}).build());
    for (const char* method : {"svd", "auto"}) {
      SCOPED_TRACE(method);
      const auto layers = merge(model, {.method = method, .groups = {1, 1}});
      ASSERT_EQ(layers.size(), 2u);
      for (const MergedLayer& layer : layers) EXPECT_TRUE(layer.error && std::isfinite(*layer.error));
    }
    try {
      merge(model, {.method = "refine", .groups = {1, 1}});
      ADD_FAILURE() << "nothing was refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_NE(std::string(error.what()).find("only some of its queries"), std::string::npos) << error.what();
    }
  }
}

// No merge can be told from another where the original itself computes no numbers.
TEST_F(ConvertLayersDeviceTest, AModelThatComputesNoNumbersIsRefused) {
  const TemporaryFolder folder;
  TinyModel llama;
  llama.kv_heads = llama.heads = 8;
  for (const TinyModel& tiny :
       {with_nan(llama, "blk.0.ffn_down.weight"), with_nan(llama, "blk.1.attn_v.weight"),
        with_nan(llama, "blk.1.attn_q.weight"), with_nan(tiny_gemma(), "blk.1.ffn_down.weight")}) {
    const fs::path model = folder.write("model.gguf", tiny.build());
    for (const GroupingSearch grouping : {GroupingSearch::kContiguous, GroupingSearch::kMeasured}) {
      try {
        merge(model, {.method = "auto", .groups = {tiny.kv_heads / 2, tiny.kv_heads / 2}, .grouping = grouping});
        ADD_FAILURE() << "nothing was refused";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kNotANumber) << error.what();
        EXPECT_NE(std::string(error.what()).find("layer 1:"), std::string::npos) << error.what();
      }
    }
  }
}

TEST_F(ConvertLayersDeviceTest, StoppedWorkIsPickedUpAndGivesTheSameBytes) {
  const TemporaryFolder folder;
  convert_calibrated(checkpoint("llama-mha-4-4"), folder.path() / "whole.gguf");
  EXPECT_FALSE(fs::exists(folder.path() / "whole.gguf.regroup-state"));

  const fs::path state = folder.path() / "resumed.gguf.regroup-state";
  stop_after_first_layer(checkpoint("llama-mha-4-4"), folder.path() / "resumed.gguf");
  EXPECT_TRUE(fs::exists(state / "layer-0000.safetensors"));
  EXPECT_FALSE(fs::exists(state / "layer-0001.safetensors"));
  EXPECT_FALSE(fs::exists(folder.path() / "resumed.gguf"));

  // The tokens are kept too: nobody is asked for them again.
  const auto never = []() -> CalibrationText { throw std::logic_error("asked again"); };
  const ConvertReport report =
      convert_calibrated(checkpoint("llama-mha-4-4"), folder.path() / "resumed.gguf", nullptr, never);
  EXPECT_EQ(report.layers[0].method, "svd");
  EXPECT_TRUE(report.layers[0].error.has_value());
  EXPECT_EQ(file_bytes(folder.path() / "resumed.gguf"), file_bytes(folder.path() / "whole.gguf"));
  EXPECT_FALSE(fs::exists(state));
}

// What was finished under a config that has been corrected since is of no use.
TEST_F(ConvertLayersDeviceTest, FinishedLayersAreThoseOfTheConfig) {
  const TemporaryFolder folder;
  const fs::path model = folder.path() / "model", out = folder.path() / "out.gguf",
                 whole = folder.path() / "whole.gguf";
  fs::copy(checkpoint("llama-mha-4-4"), model);
  stop_after_first_layer(model, out);
  change_rope_base(model);
  convert_calibrated(model, out);
  convert_calibrated(model, whole);
  EXPECT_EQ(file_bytes(out), file_bytes(whole));
}

}  // namespace
}  // namespace regroup::test
