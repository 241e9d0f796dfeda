// The viewer's engine under failures that are planned: whatever a command meets, the next one finds it in order.
#include "viewer/engine.h"

#include <chrono>

#include "runtime/gpu/faults.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

using namespace view;

class EngineDeviceTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    device_ = Device::open(shared_instance(), {.mask = {}, .cache_directory = {}, .faults = &faults_});
    engine_ = std::make_unique<Engine>(shared_, false, [] {});
    engine_->attach(*device_);
    expect_no_failure(OpenModel{std::string(REGROUP_SOURCE_DIR) + "/assets/regroup-3m.gguf"});
  }
  void TearDown() override {
    engine_->detach();
    engine_.reset();
    device_.reset();
    DeviceTest::TearDown();
  }
  // Returns when the engine is idle again: what failed, if anything did.
  std::optional<ErrorCode> failure_of(EngineCommand command) {
    {
      const std::lock_guard lock(shared_.mutex);
      shared_.state.failure.reset();
    }
    engine_->post(std::move(command));
    while (!engine_->idle()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const std::lock_guard lock(shared_.mutex);
    return shared_.state.failure;
  }
  void expect_no_failure(EngineCommand command) {
    const auto failure = failure_of(std::move(command));
    const std::lock_guard lock(shared_.mutex);
    EXPECT_FALSE(failure.has_value()) << shared_.state.message;
  }
  std::size_t generated() {
    const std::lock_guard lock(shared_.mutex);
    return shared_.state.trace.tokens.size() - shared_.state.trace.prompt_tokens();
  }

  FaultPlan faults_;
  std::unique_ptr<Device> device_;
  SharedState shared_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineDeviceTest, WithoutMemoryForARunCommandsSaySo) {
  expect_no_failure(view::Run{.tokens = 2});
  // Neither the cache that was asked for nor the one before finds room.
  faults_.clear();
  faults_.add(1, VK_ERROR_OUT_OF_DEVICE_MEMORY, "AllocateMemory");
  faults_.add(2, VK_ERROR_OUT_OF_DEVICE_MEMORY, "AllocateMemory");
  EXPECT_EQ(failure_of(SetCache{CacheType::kF32, 128}), ErrorCode::kOutOfMemory);
  EXPECT_EQ(faults_.failed_calls(), 2u);
  faults_.clear();
  EXPECT_EQ(failure_of(MeasureAllGroups{.runs = 1}), ErrorCode::kOutOfMemory);
  EXPECT_EQ(failure_of(view::Run{.tokens = 1}), ErrorCode::kOutOfMemory);
  EXPECT_EQ(failure_of(Say{.message = "Hello", .tokens = 1}), ErrorCode::kOutOfMemory);
  const EngineCommand harmless[] = {
      Pause{},          StepBack{}, Stop{}, Rewind{7, 1}, SetSampling{}, SetGroups{{2}}, SetFingerprints{false},
      WatchAttention{0}};
  for (const EngineCommand& command : harmless) expect_no_failure(command);
  // A cache that fits makes the run go on.
  expect_no_failure(SetCache{CacheType::kF16, 64});
  expect_no_failure(view::Run{.tokens = 2});
  EXPECT_EQ(generated(), 4u);
  expect_no_failure(MeasureAllGroups{.runs = 1});
}

TEST_F(EngineDeviceTest, ACacheThatDoesNotFitLeavesTheRunGoingOn) {
  expect_no_failure(view::Run{.tokens = 2});
  faults_.clear();
  faults_.add(1, VK_ERROR_OUT_OF_DEVICE_MEMORY, "AllocateMemory");
  EXPECT_EQ(failure_of(SetCache{CacheType::kF32, 128}), ErrorCode::kOutOfMemory);
  faults_.clear();
  {
    const std::lock_guard lock(shared_.mutex);
    EXPECT_EQ(shared_.state.settings.cache_type, CacheType::kF16);
    EXPECT_EQ(shared_.state.phase, Phase::kPaused);
  }
  expect_no_failure(view::Run{.tokens = 2});
  EXPECT_EQ(generated(), 4u);
}

}  // namespace
}  // namespace regroup::test
