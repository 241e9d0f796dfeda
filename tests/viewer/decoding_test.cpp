// A run of the viewer's, without window or engine: what stops a step leaves the run as it was.
#include "viewer/decoding.h"

#include "runtime/core/error.h"
#include "tests/support/device_fixture.h"
#include "viewer/live_grouping.h"

namespace regroup::test {
namespace {

using namespace view;

class DecodingDeviceTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    opened_ = open_model(device(), std::string(REGROUP_SOURCE_DIR) + "/assets/regroup-3m.gguf", CacheType::kF16, false,
                         {}, nullptr);
    shared_.state.settings.positions = 64;
    shared_.state.settings.sampling = {};  // the most likely token
    shared_.state.settings.quality = true;
  }
  std::unique_ptr<Decoding> begin() {
    shared_.state.trace = {};
    auto decoding =
        std::make_unique<Decoding>(*opened_, make_grouping(*opened_, {.groups = {2}, .method = "mean"}), shared_);
    decoding->begin("The little girl opened the door", false);
    return decoding;
  }
  std::vector<std::uint32_t> ids() const {
    std::vector<std::uint32_t> ids;
    for (const TraceToken& token : shared_.state.trace.tokens) ids.push_back(token.id);
    return ids;
  }

  std::unique_ptr<OpenedModel> opened_;
  SharedState shared_;
};

TEST_F(DecodingDeviceTest, AStepWhoseShadowPassIsStoppedIsTakenBack) {
  auto undisturbed = begin();
  for (int i = 0; i < 5; ++i) undisturbed->step(nullptr);
  const std::vector<std::uint32_t> expected = ids();
  undisturbed.reset();

  auto stopped = begin();
  for (int i = 0; i < 3; ++i) stopped->step(nullptr);
  const std::vector<std::uint32_t> before = ids();
  const CancelFlag stop{true};
  try {
    stopped->step(&stop);  // the step itself is one submission: what is stopped is the pass of the ungrouped model
    FAIL() << "nothing was stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInterrupted);
  }
  EXPECT_EQ(ids(), before);
  for (int i = 0; i < 2; ++i) stopped->step(nullptr);
  EXPECT_EQ(ids(), expected);
}

}  // namespace
}  // namespace regroup::test
