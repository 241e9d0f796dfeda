// Every Vulkan call of loading, prefill, decoding and regrouping fails once: the right error, nothing leaked, and the
// same call made again goes on to the same tokens.
#include "tests/decode/loaded_model.h"

#include "runtime/core/error.h"

namespace regroup::test {
namespace {

class FaultsTest : public DeviceTest {
 protected:
  FaultsTest()
      : device_(Device::open(shared_instance(), {.mask = {}, .cache_directory = {}, .faults = &faults_})),
        profile_(kernel_profile(*device_)) {}

  // What `work` returns; after a planned failure once more.
  template <typename Work>
  auto persist(const Work& work) {
    try {
      return work();
    } catch (const Error& error) {
      codes_.push_back(error.code());
      faults_.device_opened();
    }
    return work();
  }

  std::vector<std::uint32_t> run() {
    const LoadedModel loaded =
        persist([&] { return load_model(*device_, profile_, source_path("tests/data/checkpoints/llama-mha-4-4")); });
    const ModelConfig& config = loaded.model->config();
    const auto fewer = persist([&] {
      return std::make_unique<Grouping>(*loaded.model, GroupPlan::contiguous(config, {2}, PoolMethod::kMean));
    });
    const auto session = persist([&] {
      return std::make_unique<Session>(
          *loaded.model, *loaded.grouping,
          SessionOptions{.context = 64, .cache_type = CacheType::kF32, .prefill_chunk = 4});
    });
    const std::vector<std::uint32_t> prompt = {1, 5, 9, 2, 7, 3};
    std::vector<std::uint32_t> tokens;
    tokens.push_back(persist([&] { return session->prefill(prompt); }).id);
    const auto decode = [&](int count) {
      for (int i = 0; i < count; ++i) tokens.push_back(persist([&] { return session->decode(); }).id);
    };
    decode(2);
    persist([&] { return session->regroup(*fewer, RegroupMode::kPoolCache), 0; });
    decode(2);
    persist([&] { return session->regroup(*loaded.grouping, RegroupMode::kReprefill), 0; });
    decode(2);
    return tokens;
  }

  FaultPlan faults_;
  std::unique_ptr<Device> device_;
  KernelProfile profile_;
  std::vector<ErrorCode> codes_;
};

TEST_F(FaultsTest, FailedCallsCanBeMadeAgain) {
  run();  // compiles the kernels
  faults_.clear();
  const std::vector<std::uint32_t> expected = run();
  EXPECT_EQ(expected.size(), 7u);
  EXPECT_TRUE(codes_.empty());
  const std::uint64_t calls = faults_.calls();
  ASSERT_GT(calls, 100u);
  // Prime, so that no pattern of calls is always stepped over; the three results take turns.
  const std::uint64_t step = calls < 120 ? 1 : calls < 600 ? 5 : 11;
  constexpr std::pair<VkResult, ErrorCode> kFailures[] = {{VK_ERROR_OUT_OF_DEVICE_MEMORY, ErrorCode::kOutOfMemory},
                                                          {VK_ERROR_DEVICE_LOST, ErrorCode::kDeviceLost},
                                                          {VK_ERROR_UNKNOWN, ErrorCode::kFailed}};
  std::size_t turn = 0;
  for (std::uint64_t call = 1; call <= calls; call += step) {
    SCOPED_TRACE(call);
    const auto [result, code] = kFailures[turn++ % std::size(kFailures)];
    faults_.clear();
    faults_.add(call, result);
    codes_.clear();
    EXPECT_EQ(run(), expected);
    ASSERT_GE(codes_.size(), 1u);
    EXPECT_EQ(codes_[0], code);
    EXPECT_EQ(device_->allocated_bytes(), 0u);
  }
}

}  // namespace
}  // namespace regroup::test
