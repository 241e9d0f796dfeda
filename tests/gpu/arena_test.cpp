// Arenas: blocks, alignment, limits, and what is counted.
#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "runtime/core/error.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

class ArenaTest : public DeviceTest {};

TEST_F(ArenaTest, RoundsSizesAndCountsThem) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  EXPECT_EQ(arena.requested_bytes(), 0u);
  EXPECT_EQ(arena.allocated_bytes(), 0u);
  EXPECT_EQ(arena.buffer(1, "one").size_bytes(), 16u);
  EXPECT_EQ(arena.buffer(16, "sixteen").size_bytes(), 16u);
  EXPECT_EQ(arena.buffer(17, "seventeen").size_bytes(), 32u);
  EXPECT_EQ(arena.requested_bytes(), 64u);
  EXPECT_GE(arena.allocated_bytes(), arena.requested_bytes());
  EXPECT_THROW(arena.buffer(0, "none"), std::logic_error);
}

TEST_F(ArenaTest, ManySmallBuffersShareABlockAndKeepTheirAddress) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  const Buffer& first = arena.buffer(64, "first");
  const std::uint64_t block = arena.allocated_bytes();
  std::set<const Buffer*> addresses = {&first};
  for (int i = 0; i < 200; ++i) addresses.insert(&arena.buffer(64, "small"));
  EXPECT_EQ(addresses.size(), 201u);
  EXPECT_EQ(arena.allocated_bytes(), block);
  EXPECT_EQ(first.name(), "first");
}

// Sessions in several threads ask the buffers of one model for views; the first to ask makes each.
TEST_F(ArenaTest, TexelViewsAreMadeOnceForThreadsThatAskTogether) {
  constexpr std::uint64_t kViews = 400;
  Arena arena(device(), MemoryUse::kDevice, "test");
  const Buffer& buffer = arena.buffer(kViews * 256, "shared");
  std::array<std::vector<VkBufferView>, 3> seen;
  std::atomic<std::size_t> ready{0};
  const auto ask = [&](std::vector<VkBufferView>& views) {
    for (++ready; ready < seen.size();) {
    }
    for (std::uint64_t i = 0; i < kViews; ++i) {
      views.push_back(buffer.texel_view(BindingKind::kTexelUint, i * 256, 256));
    }
  };
  std::vector<std::thread> threads;
  for (auto& views : seen) threads.emplace_back(ask, std::ref(views));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::count(seen[0].begin(), seen[0].end(), VkBufferView{VK_NULL_HANDLE}), 0);
  EXPECT_EQ(std::set<VkBufferView>(seen[0].begin(), seen[0].end()).size(), kViews);
  EXPECT_EQ(seen[1], seen[0]);
  EXPECT_EQ(seen[2], seen[0]);
}

TEST_F(ArenaTest, GrowsByBlocksWithoutWasteForLargeBuffers) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  for (int i = 0; i < 6; ++i) arena.buffer(3u << 20, "large");
  EXPECT_EQ(arena.requested_bytes(), 18u << 20);
  EXPECT_GE(arena.allocated_bytes(), arena.requested_bytes());
  EXPECT_LE(arena.allocated_bytes(), arena.requested_bytes() * 2);
}

TEST_F(ArenaTest, BuffersDoNotOverlap) {
  Arena arena(device(), MemoryUse::kUpload, "test");
  std::vector<const Buffer*> buffers;
  for (std::uint32_t i = 0; i < 50; ++i) buffers.push_back(&arena.buffer(100 + 300 * i, "piece"));
  for (std::uint32_t i = 0; i < 50; ++i) {
    ASSERT_NE(buffers[i]->mapped(), nullptr);
    std::fill_n(buffers[i]->mapped(), buffers[i]->size_bytes(), std::byte(i));
  }
  for (std::uint32_t i = 0; i < 50; ++i) {
    const std::byte* bytes = buffers[i]->mapped();
    EXPECT_TRUE(std::all_of(bytes, bytes + buffers[i]->size_bytes(), [&](std::byte b) { return b == std::byte(i); }));
  }
}

TEST_F(ArenaTest, MappedMemoryIsAlignedForVectorLoads) {
  Arena arena(device(), MemoryUse::kReadback, "test");
  for (const std::uint64_t bytes : {1u, 33u, 4097u, 100001u}) {
    const Buffer& buffer = arena.buffer(bytes, "odd");
    ASSERT_NE(buffer.mapped(), nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.mapped()) % 16, 0u);
  }
}

TEST_F(ArenaTest, ADeviceCountsItsArenas) {
  const std::uint64_t before = device().allocated_bytes();
  {
    Arena arena(device(), MemoryUse::kDevice, "test");
    arena.buffer(5u << 20, "large");
    EXPECT_EQ(device().allocated_bytes(), before + arena.allocated_bytes());
  }
  EXPECT_EQ(device().allocated_bytes(), before);
}

TEST_F(ArenaTest, RefusesABufferBeyondTheLimits) {
  Device& floor = shared_device("minimum");
  Arena arena(floor, MemoryUse::kDevice, "test");
  const std::uint64_t limit = floor.features().max_storage_buffer_range;
  ASSERT_EQ(limit, 1u << 27);
  try {
    arena.buffer(limit + 1, "too long");
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_NE(std::string_view(error.what()).find("too long"), std::string_view::npos) << error.what();
    EXPECT_NE(std::string_view(error.what()).find("134217728"), std::string_view::npos) << error.what();
  }
  EXPECT_EQ(arena.allocated_bytes(), 0u);  // refused before anything was taken
  EXPECT_EQ(arena.requested_bytes(), 0u);
  EXPECT_EQ(arena.buffer(limit, "just fits").size_bytes(), limit);
}

TEST_F(ArenaTest, OffsetAlignmentFitsEveryBinding) {
  const std::uint64_t alignment = device().offset_alignment();
  EXPECT_GE(alignment, 16u);
  EXPECT_LE(alignment, 256u);  // the specification's ceiling
  EXPECT_EQ(alignment & (alignment - 1), 0u);
}

#ifdef __linux__
// The flags of the mapping that holds an address, from /proc/self/smaps ("VmFlags: rd wr mr mw me ac hg").
std::string mapping_flags(std::uintptr_t address) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &begin, &end) == 2) inside = begin <= address && address < end;
    if (inside && line.starts_with("VmFlags:")) return line + " ";
  }
  return "";
}

TEST_F(ArenaTest, AsksForLargePagesOnCpuDrivers) {
  if (!std::filesystem::exists("/sys/kernel/mm/transparent_hugepage")) GTEST_SKIP() << "no transparent huge pages";
  if (device().info().type != DeviceType::kCpu) GTEST_SKIP() << "not a CPU driver";
  for (const Filling filling : {Filling::kWhole, Filling::kGradual}) {
    Arena arena(device(), MemoryUse::kDevice, "test", filling);
    const Buffer& buffer = arena.buffer(16u << 20, "buffer");
    ASSERT_NE(buffer.mapped(), nullptr);
    const std::string flags = mapping_flags(reinterpret_cast<std::uintptr_t>(buffer.mapped() + (8u << 20)));
    EXPECT_EQ(flags.find(" hg ") != std::string::npos, filling == Filling::kWhole) << flags;
  }
}
#endif

}  // namespace
}  // namespace regroup::test
