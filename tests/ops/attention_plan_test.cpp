// How long contexts are split: as a CPU driver's bound on loops demands, and without it on GPUs.
#include "runtime/ops/attention_plan.h"

#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

class AttentionPlanTest : public DeviceTest {
 protected:
  static Attention decoding_at(std::uint32_t context) {
    Attention op;
    op.cache = {.type = CacheType::kF16, .groups = 8, .head_dim = 128, .capacity = context, .slices = {}};
    op.query_heads = 32;
    op.head_dim = 128;
    op.longest_context = context;
    return op;
  }
};

TEST_F(AttentionPlanTest, GpusTakeContextsOfMillions) {
  const KernelProfile profile = kernel_profile_named(device(), "gpu-shared");
  for (const std::uint32_t context : {4096u, 1u << 20, 4u << 20}) {
    const AttentionPlan plan = attention_plan(DeviceType::kDiscrete, profile, decoding_at(context));
    EXPECT_EQ(plan.splits, std::min(context / 128, kMaxSplits)) << context;
  }
  Attention whole = decoding_at(1u << 20);
  whole.splits = 1;
  EXPECT_EQ(attention_plan(DeviceType::kDiscrete, profile, whole).splits, 1u);
}

TEST_F(AttentionPlanTest, CpuDriversSplitForTheirLoopsOrRefuse) {
  const KernelProfile profile = kernel_profile_named(device(), "gpu-shared");
  Attention op = decoding_at(1u << 17);
  op.splits = 1;
  EXPECT_GT(attention_plan(DeviceType::kCpu, profile, op).splits, 1u);
  try {
    attention_plan(DeviceType::kCpu, profile, decoding_at(1u << 20));
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
  }
}

}  // namespace
}  // namespace regroup::test
