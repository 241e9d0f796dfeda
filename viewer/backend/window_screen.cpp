#include "viewer/backend/window_screen.h"

#define GLFW_INCLUDE_NONE
#include <GLFW/glfw3.h>
#include <imgui.h>

#include <algorithm>
#include <utility>

#include "runtime/core/error.h"
#include "viewer/backend/drawn_frame.h"

namespace regroup::view {
namespace {

constexpr std::uint64_t kAcquireNanoseconds = 100'000'000;  // a compositor that gives no image must not hang the window

}  // namespace

WindowScreen::Surface::Surface(Gpu& gpu, Window& window) : instance(gpu.screen_instance().handle()) {
  check_result(glfwCreateWindowSurface(instance, window.handle(), nullptr, &handle), "creating the window's surface");
  VkBool32 supported = VK_FALSE;
  vkGetPhysicalDeviceSurfaceSupportKHR(gpu.screen_device().info().handle, gpu.screen_device().queue_family(), handle,
                                       &supported);
  if (supported == VK_FALSE) {
    vkDestroySurfaceKHR(instance, handle, nullptr);
    throw_error(ErrorCode::kNoDevice, "{} cannot present to this display; choose another with --device",
                gpu.screen_device().info().name);
  }
}

WindowScreen::Surface::~Surface() {
  vkDestroySurfaceKHR(instance, handle, nullptr);
}

WindowScreen::WindowScreen(Gpu& gpu, Window& window)
    : gpu_(gpu),
      window_(window),
      surface_(gpu, window),
      format_(choose_format()),
      render_pass_(create_render_pass(gpu.screen_device(), format_.format, VK_IMAGE_LAYOUT_PRESENT_SRC_KHR)),
      capture_pass_(create_render_pass(gpu.screen_device(), format_.format, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL)),
      renderer_(gpu.screen_instance(), gpu.screen_device(), render_pass_.get()),
      commands_(gpu.screen_device()),
      acquired_(create_semaphore()) {}

WindowScreen::~WindowScreen() {
  const std::lock_guard lock(gpu_.screen_device().queue_mutex());
  vkQueueWaitIdle(gpu_.screen_device().queue());  // presenting has no fence
}

SemaphoreHandle WindowScreen::create_semaphore() const {
  const VkSemaphoreCreateInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
  VkSemaphore semaphore = VK_NULL_HANDLE;
  check_result(vkCreateSemaphore(gpu_.screen_device().handle(), &info, nullptr, &semaphore), "creating a semaphore");
  return SemaphoreHandle(gpu_.screen_device().handle(), semaphore);
}

VkSurfaceFormatKHR WindowScreen::choose_format() const {
  const VkPhysicalDevice physical = gpu_.screen_device().info().handle;
  std::uint32_t count = 0;
  check_result(vkGetPhysicalDeviceSurfaceFormatsKHR(physical, surface_.handle, &count, nullptr), "listing formats");
  std::vector<VkSurfaceFormatKHR> formats(count);
  check_result(vkGetPhysicalDeviceSurfaceFormatsKHR(physical, surface_.handle, &count, formats.data()),
               "listing formats");
  for (const VkFormat wanted : {VK_FORMAT_B8G8R8A8_UNORM, VK_FORMAT_R8G8B8A8_UNORM}) {
    for (const VkSurfaceFormatKHR& format : formats) {
      if (format.format == wanted) return format;
    }
  }
  throw_error(ErrorCode::kNoDevice, "the display offers no 8-bit colour format that is known here");
}

bool WindowScreen::keeps_surface(VkResult result, std::string_view what) {
  lost_ = result == VK_ERROR_SURFACE_LOST_KHR;
  if (!lost_) check_result(result, what);
  return !lost_;
}

// False while the window has no area, or when its surface is lost.
bool WindowScreen::build_swapchain() {
  Device& device = gpu_.screen_device();
  VkSurfaceCapabilitiesKHR caps{};
  if (!keeps_surface(vkGetPhysicalDeviceSurfaceCapabilitiesKHR(device.info().handle, surface_.handle, &caps),
                     "asking for the window's capabilities")) {
    return false;
  }
  VkExtent2D extent = caps.currentExtent;
  if (extent.width == UINT32_MAX) {
    int width = 0, height = 0;
    window_.framebuffer_size(width, height);
    extent = {std::clamp(static_cast<std::uint32_t>(width), caps.minImageExtent.width, caps.maxImageExtent.width),
              std::clamp(static_cast<std::uint32_t>(height), caps.minImageExtent.height, caps.maxImageExtent.height)};
  }
  if (extent.width == 0 || extent.height == 0) return false;
  commands_.wait();
  {
    const std::lock_guard lock(device.queue_mutex());
    vkQueueWaitIdle(device.queue());
  }
  frames_.clear();
  std::uint32_t images = std::max(caps.minImageCount, 2u);
  if (caps.maxImageCount > 0) images = std::min(images, caps.maxImageCount);
  VkSwapchainCreateInfoKHR info{VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR};
  info.surface = surface_.handle;
  info.minImageCount = images;
  info.imageFormat = format_.format;
  info.imageColorSpace = format_.colorSpace;
  info.imageExtent = extent;
  info.imageArrayLayers = 1;
  info.imageUsage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
  info.imageSharingMode = VK_SHARING_MODE_EXCLUSIVE;
  info.preTransform = caps.currentTransform;
  info.compositeAlpha = (caps.supportedCompositeAlpha & VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR) != 0
                            ? VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR
                            : VK_COMPOSITE_ALPHA_INHERIT_BIT_KHR;
  info.presentMode = VK_PRESENT_MODE_FIFO_KHR;
  info.clipped = VK_TRUE;
  info.oldSwapchain = swapchain_.get();
  VkSwapchainKHR swapchain = VK_NULL_HANDLE;
  if (!keeps_surface(vkCreateSwapchainKHR(device.handle(), &info, nullptr, &swapchain),
                     "creating the window's images")) {
    return false;
  }
  swapchain_ = SwapchainHandle(device.handle(), swapchain);
  extent_ = extent;
  std::uint32_t count = 0;
  check_result(vkGetSwapchainImagesKHR(device.handle(), swapchain, &count, nullptr), "listing the window's images");
  std::vector<VkImage> handles(count);
  check_result(vkGetSwapchainImagesKHR(device.handle(), swapchain, &count, handles.data()),
               "listing the window's images");
  for (const VkImage image : handles) {
    Frame frame;
    VkImageViewCreateInfo view_info{VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO};
    view_info.image = image;
    view_info.viewType = VK_IMAGE_VIEW_TYPE_2D;
    view_info.format = format_.format;
    view_info.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    VkImageView view = VK_NULL_HANDLE;
    check_result(vkCreateImageView(device.handle(), &view_info, nullptr, &view), "creating a view");
    frame.view = ImageViewHandle(device.handle(), view);
    VkFramebufferCreateInfo framebuffer_info{VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO};
    framebuffer_info.renderPass = render_pass_.get();
    framebuffer_info.attachmentCount = 1;
    framebuffer_info.pAttachments = &view;
    framebuffer_info.width = extent.width;
    framebuffer_info.height = extent.height;
    framebuffer_info.layers = 1;
    VkFramebuffer framebuffer = VK_NULL_HANDLE;
    check_result(vkCreateFramebuffer(device.handle(), &framebuffer_info, nullptr, &framebuffer),
                 "creating a framebuffer");
    frame.framebuffer = FramebufferHandle(device.handle(), framebuffer);
    frame.drawn = create_semaphore();
    frames_.push_back(std::move(frame));
  }
  outdated_ = false;
  return true;
}

bool WindowScreen::begin_frame() {
  if (window_.is_minimised()) return false;
  int width = 0, height = 0;
  window_.framebuffer_size(width, height);
  if (extent_.width != static_cast<std::uint32_t>(width) || extent_.height != static_cast<std::uint32_t>(height))
    outdated_ = true;
  if (outdated_ && !build_swapchain()) return false;
  renderer_.begin_frame();
  window_.begin_frame();
  return true;
}

bool WindowScreen::show(ImDrawData* data) {
  const std::uint64_t now = digest(*data);
  if (window_.take_damage()) shown_ = 0;
  if (std::exchange(shown_, 0) == now) {
    shown_ = now;
    return false;
  }
  const VkCommandBuffer commands = [&] {
    commands_.wait();
    return commands_.begin();
  }();
  std::uint32_t index = 0;
  const VkResult acquired = vkAcquireNextImageKHR(gpu_.screen_device().handle(), swapchain_.get(), kAcquireNanoseconds,
                                                  acquired_.get(), VK_NULL_HANDLE, &index);
  if (acquired == VK_ERROR_OUT_OF_DATE_KHR || acquired == VK_TIMEOUT || acquired == VK_NOT_READY) {
    outdated_ = acquired == VK_ERROR_OUT_OF_DATE_KHR;
    check_result(vkEndCommandBuffer(commands), "ending a frame");
    return true;
  }
  if (!keeps_surface(acquired, "asking for a window image")) {
    check_result(vkEndCommandBuffer(commands), "ending a frame");
    return true;
  }
  Frame& frame = frames_[index];
  renderer_.record(commands, render_pass_.get(), frame.framebuffer.get(), extent_.width, extent_.height, data);
  const VkSemaphore drawn = frame.drawn.get();
  commands_.submit(acquired_.get(), drawn);
  VkPresentInfoKHR present{VK_STRUCTURE_TYPE_PRESENT_INFO_KHR};
  present.waitSemaphoreCount = 1;
  present.pWaitSemaphores = &drawn;
  const VkSwapchainKHR swapchain = swapchain_.get();
  present.swapchainCount = 1;
  present.pSwapchains = &swapchain;
  present.pImageIndices = &index;
  VkResult result = VK_SUCCESS;
  {
    const std::lock_guard lock(gpu_.screen_device().queue_mutex());
    result = vkQueuePresentKHR(gpu_.screen_device().queue(), &present);
  }
  if (result == VK_ERROR_OUT_OF_DATE_KHR || result == VK_SUBOPTIMAL_KHR) {
    outdated_ = true;
  } else if (keeps_surface(result, "showing a frame")) {
    shown_ = now;
  }
  return true;
}

Image WindowScreen::capture(ImDrawData* data) {
  FrameTarget target(gpu_.screen_device(), capture_pass_.get(), format_.format, extent_.width, extent_.height);
  const VkCommandBuffer commands = commands_.begin();
  renderer_.record(commands, capture_pass_.get(), target.framebuffer(), extent_.width, extent_.height, data);
  target.record_read_back(commands);
  commands_.submit();
  commands_.wait();
  return target.pixels();
}

void WindowScreen::upload_fonts() {
  shown_ = 0;
  commands_.wait();
  renderer_.upload_fonts();
}

}  // namespace regroup::view
