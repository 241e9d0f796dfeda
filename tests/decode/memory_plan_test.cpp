// The memory plan: predictions that hold, and refusals that say what would fit.
#include "runtime/decode/memory_plan.h"

#include "runtime/core/error.h"
#include "runtime/model/kv_cache.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

constexpr std::uint64_t kGiB = 1ull << 30;

class MemoryPlanTest : public DeviceTest {
 protected:
  MemoryPlan plan(const std::vector<std::uint32_t>& groups, CacheType type, std::uint32_t context) {
    const ModelFile file = ModelFile::open(bundled_model());
    return plan_memory(device(), kernel_profile(device()), file, read_outline(file), groups, type, context, 256);
  }
  // The refusal's text.
  std::string refusal(const MemoryPlan& plan, const ModelConfig& config, CacheType type) {
    try {
      require_fit(plan, config, type);
      ADD_FAILURE() << "not refused: " << plan.describe();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
      return error.what();
    }
    return {};
  }
};

// 4 layers of 8 KV heads of 64 elements.
ModelConfig small_config() {
  ModelConfig config;
  config.query_heads = 8;
  config.head_dim = 64;
  config.layers.assign(4, {.kv_heads = 8});
  return config;
}

TEST_F(MemoryPlanTest, PredictsWhatASessionTakes) {
  const LoadedModel loaded = load_model(device(), kernel_profile(device()), bundled_model());
  for (const std::uint32_t g : {8u, 2u}) {
    for (const CacheType type : {CacheType::kF16, CacheType::kQ4_0}) {
      const Grouping grouping(*loaded.model, GroupPlan::contiguous(loaded.model->config(), {g}, PoolMethod::kMean));
      const Session session(*loaded.model, grouping, {.context = 500, .cache_type = type});
      const MemoryPlan predicted = plan(std::vector<std::uint32_t>(4, g), type, 500);
      EXPECT_EQ(predicted.kv_bytes, session.cache().bytes());
      EXPECT_EQ(predicted.kv_bytes_per_token * 512, predicted.kv_bytes);
      const auto weights = static_cast<double>(loaded.model->weights_bytes() + grouping.bytes());
      EXPECT_NEAR(static_cast<double>(predicted.weights_bytes), weights, 0.01 * weights);
      EXPECT_GE(predicted.scratch_bytes, session.scratch_bytes());
    }
  }
}

TEST_F(MemoryPlanTest, TheBundledModelFits) {
  const MemoryPlan small = plan({8, 8, 8, 8}, CacheType::kF16, 1024);
  EXPECT_TRUE(small.fits()) << small.describe();
  EXPECT_NO_THROW(require_fit(small, small_config(), CacheType::kF16));
  EXPECT_GT(small.free_bytes, 0u);
}

TEST_F(MemoryPlanTest, NamesTheLongestContextThatFits) {
  const ModelConfig config = small_config();
  MemoryPlan plan{.weights_bytes = kGiB, .scratch_bytes = kGiB, .free_bytes = 3 * kGiB, .context = 1u << 20};
  plan.kv_bytes_per_token = kv_bytes_per_token(config, {8, 8, 8, 8}, CacheType::kF16);
  plan.kv_bytes = plan.kv_bytes_per_token * plan.context;
  ASSERT_EQ(plan.kv_bytes_per_token, 8192u);
  const std::string message = refusal(plan, config, CacheType::kF16);
  // One GiB is left for 8 KiB a position; one group of eight needs an eighth of that at this context.
  EXPECT_NE(message.find("-c 131072 would fit"), std::string::npos) << message;
  EXPECT_NE(message.find("--groups 1 at this context"), std::string::npos) << message;
  plan.context = 131072;
  plan.kv_bytes = plan.kv_bytes_per_token * plan.context;
  EXPECT_NO_THROW(require_fit(plan, config, CacheType::kF16));
  plan.context += 32;
  plan.kv_bytes = plan.kv_bytes_per_token * plan.context;
  EXPECT_NE(refusal(plan, config, CacheType::kF16).find("--groups 4"), std::string::npos);
}

TEST_F(MemoryPlanTest, AdvisesNoGroupsWhereNoneWouldDo) {
  const ModelConfig config = small_config();
  MemoryPlan plan{.weights_bytes = kGiB, .scratch_bytes = kGiB, .free_bytes = 3 * kGiB, .context = 1u << 24};
  plan.kv_bytes_per_token = kv_bytes_per_token(config, {8, 8, 8, 8}, CacheType::kF16);
  plan.kv_bytes = plan.kv_bytes_per_token * plan.context;
  EXPECT_EQ(refusal(plan, config, CacheType::kF16).find("--groups"), std::string::npos);
}

TEST_F(MemoryPlanTest, SaysWhenTheWeightsAloneAreTooLarge) {
  const MemoryPlan plan{.weights_bytes = 4 * kGiB, .kv_bytes = 64, .kv_bytes_per_token = 2, .free_bytes = kGiB};
  const std::string message = refusal(plan, small_config(), CacheType::kF16);
  EXPECT_NE(message.find("the model does not fit"), std::string::npos) << message;
  EXPECT_NE(message.find("4.00 GiB"), std::string::npos) << message;
}

TEST_F(MemoryPlanTest, WritesSizesForPeople) {
  EXPECT_EQ(human_bytes(512), "0.5 KiB");
  EXPECT_EQ(human_bytes(1536u << 10), "1.5 MiB");
  EXPECT_EQ(human_bytes(5 * kGiB / 2), "2.50 GiB");
}

}  // namespace
}  // namespace regroup::test
