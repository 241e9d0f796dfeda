// Statistics, errors and refusals of a layer's calibration on the device against the host's double precision: 1e-5 of
// each statistic's size, 1e-4 of errors.
#include "converter/layer_calibration.h"

#include "converter/calibration_text.h"
#include "converter/merge.h"
#include "runtime/core/error.h"
#include "tests/converter/calibration_sample.h"

namespace regroup::test {
namespace {

class LayerCalibrationDeviceTest : public DeviceTest {};

template <typename A, typename B>
void expect_close(const A& got, const B& wanted, const char* what) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  if (wanted.size() == 0) return;
  EXPECT_LE((got - wanted).cwiseAbs().maxCoeff(), 1e-5 * wanted.cwiseAbs().maxCoeff()) << what;
}

TEST_F(LayerCalibrationDeviceTest, StatisticsMatchTheHost) {
  for (const LayerShape& shape : calibration_shapes()) {
    for (const std::uint32_t window : {0u, 7u}) {
      SCOPED_TRACE(to_string(shape) + fmt::format(", window {}", window));
      LayerSample sample(shape);
      CalibrationSample on_device(device(), sample, 0.1, 1, window);
      const LayerCalibration calibration(*on_device.inputs);
      std::vector<HostAttention> fitted;  // not the sequence that is held out
      for (std::size_t s = 0; s + 1 < sample.inputs.size(); ++s) {
        fitted.push_back(attend_on_host(sample.layer, sample.inputs[s], sample.rope_table, window));
      }
      const LayerStatistics wanted = statistics_on_host(sample.layer, fitted);
      const LayerStatistics& got = calibration.statistics();
      EXPECT_EQ(got.tokens, wanted.tokens);
      expect_close(got.value_gram, wanted.value_gram, "value_gram");
      expect_close(got.query_energy, wanted.query_energy, "query_energy");
      expect_close(got.unrotated_key_gram, wanted.unrotated_key_gram, "unrotated_key_gram");
      expect_close(got.logit_sensitivity, wanted.logit_sensitivity, "logit_sensitivity");
      ASSERT_EQ(got.key_gram.size(), wanted.key_gram.size());
      for (std::size_t p = 0; p < wanted.key_gram.size(); ++p) {
        expect_close(got.key_gram[p], wanted.key_gram[p], "key_gram");
      }
      ASSERT_EQ(got.unrotated_query_gram.size(), wanted.unrotated_query_gram.size());
      for (std::size_t h = 0; h < wanted.unrotated_query_gram.size(); ++h) {
        expect_close(got.unrotated_query_gram[h], wanted.unrotated_query_gram[h], "unrotated_query_gram");
      }
    }
  }
}

TEST_F(LayerCalibrationDeviceTest, ErrorsMatchTheHost) {
  for (const LayerShape& shape : calibration_shapes()) {
    SCOPED_TRACE(to_string(shape));
    LayerSample sample(shape);
    CalibrationSample on_device(device(), sample);
    LayerCalibration calibration(*on_device.inputs);
    const AttentionLayer merged =
        merge_method_named("mean").merge(sample.layer, HeadGroups::contiguous(shape.kv_heads, 1), {});
    double difference[2] = {}, square[2] = {};
    for (std::size_t s = 0; s < sample.inputs.size(); ++s) {
      const Eigen::MatrixXd wanted = attend_on_host(sample.layer, sample.inputs[s], sample.rope_table).output;
      const Eigen::MatrixXd got = attend_on_host(merged, on_device.student[s], sample.rope_table).output;
      const bool judges = s + 1 == sample.inputs.size();
      difference[judges] += (got - wanted).squaredNorm();
      square[judges] += wanted.squaredNorm();
    }
    const LayerError error = calibration.error(merged);
    EXPECT_NEAR(error.fitted / (difference[0] / square[0]), 1, 1e-4);
    EXPECT_NEAR(error.held_out / (difference[1] / square[1]), 1, 1e-4);
    EXPECT_GT(error.fitted, 0.01);
    EXPECT_DOUBLE_EQ(calibration.held_out_error(merged), error.held_out);
  }
}

TEST_F(LayerCalibrationDeviceTest, TheTeacherItselfHasNoError) {
  LayerSample sample(calibration_shapes()[2]);
  CalibrationSample on_device(device(), sample, 0.0);
  LayerCalibration calibration(*on_device.inputs);
  EXPECT_LT(calibration.error(sample.layer).fitted, 1e-10);
}

TEST_F(LayerCalibrationDeviceTest, RefusesWhatItCannotCalibrate) {
  LayerSample sample(calibration_shapes()[0]);
  sample.layer.qk_norm = true;
  CalibrationSample on_device(device(), sample);
  EXPECT_THROW(LayerCalibration{*on_device.inputs}, Error);
  LayerSample odd({4, 2, 6, 6, 26, false});
  CalibrationSample odd_heads(device(), odd);
  EXPECT_THROW(LayerCalibration{*odd_heads.inputs}, Error);
}

// A stream that no buffer of the device holds is cut, with a remark, and does not fail.
TEST_F(LayerCalibrationDeviceTest, LongTextsAreCutToWhatABufferHolds) {
  ModelConfig config{.hidden = 96, .query_heads = 3, .head_dim = 32, .context_length = 64};
  const std::uint32_t most = most_calibration_tokens(device(), config);
  EXPECT_LE(std::uint64_t{4} * most * 100, device().features().max_storage_buffer_range);
  EXPECT_GT(most, 100000u);
  CalibrationSize size{.tokens = 100000, .most_tokens = 10000};
  EXPECT_TRUE(cut_remark(size));
  EXPECT_EQ(size.shape(config).sequences, 10000u / 64);
  size.tokens = 9000;
  EXPECT_FALSE(cut_remark(size));
  EXPECT_EQ(size.shape(config).sequences, 9000u / 64);
  // Wider queries than inputs take more.
  config.query_heads = 12;
  EXPECT_LT(most_calibration_tokens(device(), config), most);
}

}  // namespace
}  // namespace regroup::test
