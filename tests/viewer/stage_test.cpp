// A screen that is lost, as by a window system that goes away: another one is made and the run does not notice.
#include "viewer/stage.h"

#include <thread>

#include "runtime/core/error.h"
#include "tests/support/device_fixture.h"
#include "viewer/backend/offscreen.h"

namespace regroup::test {
namespace {

using namespace view;

// Is lost once it has shown that many frames.
class FragileScreen : public Offscreen {
 public:
  FragileScreen(Gpu& gpu, int frames) : Offscreen(gpu, 640, 480), left_(frames) {}
  bool is_lost() const override { return left_ == 0; }
  bool show(ImDrawData* data) override {
    --left_;
    return Offscreen::show(data);
  }

 private:
  int left_;
};

class StageDeviceTest : public DeviceTest {
 protected:
  void make_stage(int frames_of_the_first, int frames_of_others) {
    const auto make_screen = [=, this](Gpu& gpu) {
      return std::make_unique<FragileScreen>(gpu, screens_++ == 0 ? frames_of_the_first : frames_of_others);
    };
    stage_ = std::make_unique<Stage>(
        StageOptions{.gpu = {}, .tune = false}, Preferences{}, make_screen, [] {}, std::chrono::steady_clock::now());
  }

  ImguiContext imgui_;
  std::unique_ptr<Stage> stage_;
  int screens_ = 0;
};

TEST_F(StageDeviceTest, ALostScreenIsReplacedWhileTheRunGoesOn) {
  make_stage(2, 1000000);
  stage_->engine().post(OpenModel{std::string(REGROUP_SOURCE_DIR) + "/assets/regroup-3m.gguf"});
  stage_->engine().post(view::Run{.tokens = 5});
  for (int frame = 0; frame < 6 || !stage_->engine().idle(); ++frame) {
    stage_->draw();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(screens_, 2);
  EXPECT_FALSE(stage_->screen().is_lost());
  const std::lock_guard lock(stage_->shared().mutex);
  const AppState& state = stage_->shared().state;
  EXPECT_EQ(state.device.rebuilt, 0u);
  EXPECT_EQ(state.trace.tokens.size(), state.trace.prompt_tokens() + 5);
  EXPECT_FALSE(state.failure.has_value()) << state.message;
}

TEST_F(StageDeviceTest, AScreenThatIsLostAgainAndAgainEndsTheProgram) {
  make_stage(1, 1);
  try {
    for (int frame = 0; frame < 20; ++frame) stage_->draw();
    FAIL() << "drew 20 frames on screens that show one each";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDeviceLost);
  }
}

}  // namespace
}  // namespace regroup::test
