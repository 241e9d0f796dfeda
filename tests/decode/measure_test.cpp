// What measurements are judged with: summaries, Welch's test against tabulated values, rates that are rates.
#include "runtime/decode/measure.h"

#include "runtime/core/error.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

class MeasureTest : public DeviceTest {};

TEST_F(MeasureTest, SummariesAreOfTheSample) {
  const Summary summary = summarise(std::vector<double>{2, 4, 4, 6});
  EXPECT_DOUBLE_EQ(summary.mean, 4);
  EXPECT_NEAR(summary.deviation, 1.632993, 1e-6);
  EXPECT_EQ(summarise(std::vector<double>{3}).deviation, 0);
}

TEST_F(MeasureTest, WelchsTestAgreesWithTheIntegral) {
  // Expected: Student's density integrated numerically.
  const std::vector<double> a = {27.5, 21.0, 19.0, 23.6, 17.0, 17.9}, b = {27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8};
  EXPECT_NEAR(welch_p_value(a, b), 0.174933551, 1e-6);
  EXPECT_NEAR(welch_p_value(std::vector<double>{99, 100, 101}, std::vector<double>{149, 150, 151}), 4.259092e-07, 1e-9);
  EXPECT_NEAR(welch_p_value(a, a), 1.0, 1e-12);
  EXPECT_EQ(welch_p_value(std::vector<double>{1}, b), 1.0);
}

TEST_F(MeasureTest, AssumedContextsAreDecodedFrom) {
  const LoadedModel loaded = load_model(device(), kernel_profile(device()), bundled_model());
  Session session(*loaded.model, *loaded.grouping, {.context = 100});
  const Timing decode = measure_decode(session, 60, 3, nullptr);
  EXPECT_EQ(session.position(), 63u);
  EXPECT_GT(decode.seconds, 0);
  measure_prefill(session, 40, 10, nullptr);
  EXPECT_EQ(session.position(), 50u);
  Batch batch(*loaded.model, *loaded.grouping, {.sequences = 2, .context = 100});
  measure_decode(batch, 60, 3, nullptr);
  EXPECT_EQ(batch.tokens(0).size(), 63u);
  EXPECT_EQ(batch.tokens(1).size(), 63u);
  CancelFlag cancel{true};
  EXPECT_THROW(measure_decode(session, 10, 3, &cancel), Error);
}

TEST_F(MeasureTest, TheDevicesRatesAreMeasured) {
  EXPECT_GT(copy_bandwidth(device(), 1 << 20), 1e6);
  EXPECT_GT(multiply_rate(device(), kernel_profile(device())), 1e6);
}

}  // namespace
}  // namespace regroup::test
