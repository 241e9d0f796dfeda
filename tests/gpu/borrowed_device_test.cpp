// Device::borrow on an instance and device that the test makes itself, as a viewer would: dispatches run, and the
// caller's objects outlive it.
#include <vulkan/vulkan.h>

#include <cstdlib>
#include <numeric>

#include "runtime/core/error.h"
#include "shaders/activation/add.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

// Somebody else's Vulkan objects.
class BorrowedDeviceTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
    application.apiVersion = VK_API_VERSION_1_1;
    VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
    info.pApplicationInfo = &application;
    ASSERT_EQ(vkCreateInstance(&info, nullptr, &instance_), VK_SUCCESS);
    std::uint32_t count = 0;
    ASSERT_EQ(vkEnumeratePhysicalDevices(instance_, &count, nullptr), VK_SUCCESS);
    std::vector<VkPhysicalDevice> physical(count);
    ASSERT_EQ(vkEnumeratePhysicalDevices(instance_, &count, physical.data()), VK_SUCCESS);
    ASSERT_GT(count, 0u);
    objects_.physical = physical[0];
    vkGetPhysicalDeviceQueueFamilyProperties(physical[0], &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(physical[0], &count, families.data());
    while ((families.at(objects_.queue_family).queueFlags & VK_QUEUE_COMPUTE_BIT) == 0) ++objects_.queue_family;

    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
    queue.queueFamilyIndex = objects_.queue_family;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo device{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
    device.queueCreateInfoCount = 1;
    device.pQueueCreateInfos = &queue;
    ASSERT_EQ(vkCreateDevice(physical[0], &device, nullptr, &objects_.device), VK_SUCCESS);
    vkGetDeviceQueue(objects_.device, objects_.queue_family, 0, &objects_.queue);
    // The caller enabled no feature, so `enabled` stays the specification's floor.
  }
  void TearDown() override {
    if (objects_.device != VK_NULL_HANDLE) vkDestroyDevice(objects_.device, nullptr);
    if (instance_ != VK_NULL_HANDLE) vkDestroyInstance(instance_, nullptr);
    DeviceTest::TearDown();
  }
  // Adds two ramps on the borrowed device.
  static void run_a_dispatch(Device& device) {
    constexpr std::uint32_t kCount = 500;
    Arena arena(device, MemoryUse::kDevice, "test");
    Buffer& a = arena.buffer(kCount * 4, "a");
    Buffer& y = arena.buffer(kCount * 4, "y");
    std::vector<float> ramp(kCount);
    std::iota(ramp.begin(), ramp.end(), 0.0f);
    upload_values<float>(device, a, ramp);
    CommandList list(device);
    list.dispatch(device.kernel("add", as_words(shader::AddConstants{})), {{0, a}, {1, a}, {2, y}},
                  as_words(shader::AddPush{kCount}), {.x = (kCount + 63) / 64});
    list.run();
    const auto result = download_values<float>(device, y, kCount);
    for (std::uint32_t i = 0; i < kCount; ++i) ASSERT_EQ(result[i], 2 * ramp[i]);
  }

  VkInstance instance_ = VK_NULL_HANDLE;
  BorrowedDevice objects_;
};

TEST_F(BorrowedDeviceTest, RunsADispatch) {
  const auto device = Device::borrow(objects_);
  EXPECT_EQ(device->handle(), objects_.device);
  EXPECT_EQ(device->queue(), objects_.queue);
  EXPECT_EQ(device->features().max_storage_buffers, 4u);
  EXPECT_FALSE(device->info().name.empty());
  run_a_dispatch(*device);
}

TEST_F(BorrowedDeviceTest, LeavesTheCallersObjectsAlive) {
  Device::borrow(objects_)->kernel("add", as_words(shader::AddConstants{}));
  EXPECT_EQ(vkDeviceWaitIdle(objects_.device), VK_SUCCESS);
  VkFenceCreateInfo info{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  VkFence fence = VK_NULL_HANDLE;
  ASSERT_EQ(vkCreateFence(objects_.device, &info, nullptr, &fence), VK_SUCCESS);
  ASSERT_EQ(vkQueueSubmit(objects_.queue, 0, nullptr, fence), VK_SUCCESS);
  EXPECT_EQ(vkWaitForFences(objects_.device, 1, &fence, VK_TRUE, 1'000'000'000), VK_SUCCESS);
  vkDestroyFence(objects_.device, fence, nullptr);
  // And it can be borrowed again.
  run_a_dispatch(*Device::borrow(objects_));
}

TEST_F(BorrowedDeviceTest, TheMaskHoldsHereToo) {
  objects_.enabled.texel_buffers = true;
  const auto device = Device::borrow(objects_, {.mask = FeatureMask::parse("", "texel")});
  EXPECT_FALSE(device->features().texel_buffers);
}

TEST_F(BorrowedDeviceTest, ABorrowedInstanceIsNotDestroyed) {
  {
    const Instance instance(instance_);
    EXPECT_EQ(instance.handle(), instance_);
    EXPECT_FALSE(instance.devices().empty());
    EXPECT_EQ(instance.choose("0").index, 0u);
  }
  std::uint32_t count = 0;
  EXPECT_EQ(vkEnumeratePhysicalDevices(instance_, &count, nullptr), VK_SUCCESS);
  EXPECT_GT(count, 0u);
}

}  // namespace
}  // namespace regroup::test
