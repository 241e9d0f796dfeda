#include "viewer/backend/frame_target.h"

#include "runtime/core/error.h"

namespace regroup::view {

RenderPassHandle create_render_pass(Device& device, VkFormat format, VkImageLayout final_layout) {
  VkAttachmentDescription attachment{};
  attachment.format = format;
  attachment.samples = VK_SAMPLE_COUNT_1_BIT;
  attachment.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR;
  attachment.storeOp = VK_ATTACHMENT_STORE_OP_STORE;
  attachment.stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE;
  attachment.stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE;
  attachment.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED;
  attachment.finalLayout = final_layout;
  const VkAttachmentReference reference{0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
  VkSubpassDescription subpass{};
  subpass.pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS;
  subpass.colorAttachmentCount = 1;
  subpass.pColorAttachments = &reference;
  // The image may be read (presented, copied) before and after.
  VkSubpassDependency dependencies[2] = {};
  dependencies[0].srcSubpass = VK_SUBPASS_EXTERNAL;
  dependencies[0].dstSubpass = 0;
  dependencies[0].srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  dependencies[0].dstStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT;
  dependencies[0].srcAccessMask = VK_ACCESS_TRANSFER_READ_BIT;
  dependencies[0].dstAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT;
  dependencies[1].srcSubpass = 0;
  dependencies[1].dstSubpass = VK_SUBPASS_EXTERNAL;
  dependencies[1].srcStageMask = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT;
  dependencies[1].dstStageMask = VK_PIPELINE_STAGE_TRANSFER_BIT;
  dependencies[1].srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT;
  dependencies[1].dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT;
  VkRenderPassCreateInfo info{VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO};
  info.attachmentCount = 1;
  info.pAttachments = &attachment;
  info.subpassCount = 1;
  info.pSubpasses = &subpass;
  info.dependencyCount = 2;
  info.pDependencies = dependencies;
  VkRenderPass pass = VK_NULL_HANDLE;
  check_result(vkCreateRenderPass(device.handle(), &info, nullptr, &pass), "creating a render pass");
  return RenderPassHandle(device.handle(), pass);
}

FrameCommands::FrameCommands(Device& device) : device_(device) {
  VkCommandPoolCreateInfo info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  info.queueFamilyIndex = device.queue_family();
  info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  VkCommandPool pool = VK_NULL_HANDLE;
  check_result(vkCreateCommandPool(device.handle(), &info, nullptr, &pool), "creating a command pool");
  pool_ = CommandPoolHandle(device.handle(), pool);
  VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = pool;
  allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocate.commandBufferCount = 1;
  check_result(vkAllocateCommandBuffers(device.handle(), &allocate, &commands_), "allocating a command buffer");
  VkFenceCreateInfo fence_info{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  VkFence fence = VK_NULL_HANDLE;
  check_result(vkCreateFence(device.handle(), &fence_info, nullptr, &fence), "creating a fence");
  fence_ = FenceHandle(device.handle(), fence);
}

FrameCommands::~FrameCommands() {
  if (!pending_) return;
  const VkFence fence = fence_.get();
  vkWaitForFences(device_.handle(), 1, &fence, VK_TRUE, UINT64_MAX);
}

VkCommandBuffer FrameCommands::begin() {
  wait();
  VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  check_result(vkBeginCommandBuffer(commands_, &info), "beginning a frame");
  return commands_;
}

void FrameCommands::submit(VkSemaphore wait_for, VkSemaphore signal) {
  check_result(vkEndCommandBuffer(commands_), "ending a frame");
  const VkFence fence = fence_.get();
  check_result(vkResetFences(device_.handle(), 1, &fence), "resetting a fence");
  const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT;
  VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands_;
  if (wait_for != VK_NULL_HANDLE) {
    info.waitSemaphoreCount = 1;
    info.pWaitSemaphores = &wait_for;
    info.pWaitDstStageMask = &stage;
  }
  if (signal != VK_NULL_HANDLE) {
    info.signalSemaphoreCount = 1;
    info.pSignalSemaphores = &signal;
  }
  const std::lock_guard lock(device_.queue_mutex());
  check_result(vkQueueSubmit(device_.queue(), 1, &info, fence), "submitting a frame");
  pending_ = true;
}

void FrameCommands::wait() {
  if (!pending_) return;
  pending_ = false;
  const VkFence fence = fence_.get();
  check_result(vkWaitForFences(device_.handle(), 1, &fence, VK_TRUE, UINT64_MAX), "waiting for a frame");
}

FrameTarget::FrameTarget(Device& device, VkRenderPass render_pass, VkFormat format, std::uint32_t width,
                         std::uint32_t height)
    : format_(format),
      width_(width),
      height_(height),
      readback_(device, MemoryUse::kReadback, "frame pixels"),
      pixels_(&readback_.buffer(std::uint64_t{width} * height * 4, "frame pixels")) {
  VkImageCreateInfo info{VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO};
  info.imageType = VK_IMAGE_TYPE_2D;
  info.format = format;
  info.extent = {width, height, 1};
  info.mipLevels = 1;
  info.arrayLayers = 1;
  info.samples = VK_SAMPLE_COUNT_1_BIT;
  info.tiling = VK_IMAGE_TILING_OPTIMAL;
  info.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
  VkImage image = VK_NULL_HANDLE;
  check_result(vkCreateImage(device.handle(), &info, nullptr, &image), "creating a frame's image");
  image_ = ImageHandle(device.handle(), image);

  VkMemoryRequirements needs{};
  vkGetImageMemoryRequirements(device.handle(), image, &needs);
  VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  allocate.allocationSize = needs.size;
  allocate.memoryTypeIndex = device.memory_type(needs.memoryTypeBits, MemoryUse::kDevice);
  VkDeviceMemory memory = VK_NULL_HANDLE;
  check_result(vkAllocateMemory(device.handle(), &allocate, nullptr, &memory), "allocating a frame's image");
  memory_ = MemoryHandle(device.handle(), memory);
  check_result(vkBindImageMemory(device.handle(), image, memory, 0), "binding a frame's image");

  VkImageViewCreateInfo view_info{VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO};
  view_info.image = image;
  view_info.viewType = VK_IMAGE_VIEW_TYPE_2D;
  view_info.format = format;
  view_info.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  VkImageView view = VK_NULL_HANDLE;
  check_result(vkCreateImageView(device.handle(), &view_info, nullptr, &view), "creating a frame's view");
  view_ = ImageViewHandle(device.handle(), view);

  VkFramebufferCreateInfo framebuffer_info{VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO};
  framebuffer_info.renderPass = render_pass;
  framebuffer_info.attachmentCount = 1;
  framebuffer_info.pAttachments = &view;
  framebuffer_info.width = width;
  framebuffer_info.height = height;
  framebuffer_info.layers = 1;
  VkFramebuffer framebuffer = VK_NULL_HANDLE;
  check_result(vkCreateFramebuffer(device.handle(), &framebuffer_info, nullptr, &framebuffer),
               "creating a frame's framebuffer");
  framebuffer_ = FramebufferHandle(device.handle(), framebuffer);
}

void FrameTarget::record_read_back(VkCommandBuffer commands) const {
  VkBufferImageCopy region{};
  region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
  region.imageExtent = {width_, height_, 1};
  vkCmdCopyImageToBuffer(commands, image_.get(), VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, pixels_->handle(), 1, &region);
  VkMemoryBarrier to_host{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  to_host.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
  to_host.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
  vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, nullptr,
                       0, nullptr);
}

Image FrameTarget::pixels() const {
  Image image{.width = width_, .height = height_, .rgba = {}};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(pixels_->mapped());
  image.rgba.assign(bytes, bytes + std::size_t{width_} * height_ * 4);
  const bool blue_first = format_ == VK_FORMAT_B8G8R8A8_UNORM;
  for (std::size_t i = 0; i < image.rgba.size(); i += 4) {
    if (blue_first) std::swap(image.rgba[i], image.rgba[i + 2]);
    image.rgba[i + 3] = 255;
  }
  return image;
}

}  // namespace regroup::view
