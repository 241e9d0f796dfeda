#include "viewer/backend/imgui_renderer.h"

#include <imgui.h>
#include <imgui_impl_vulkan.h>

namespace regroup::view {
namespace {

void check_imgui(VkResult result) {
  check_result(result, "drawing the window");
}

}  // namespace

ImguiRenderer::ImguiRenderer(Instance& instance, Device& device, VkRenderPass render_pass)
    : instance_(instance), device_(device), render_pass_(render_pass) {
  start();
}

ImguiRenderer::~ImguiRenderer() {
  stop();
}

void ImguiRenderer::start() {
  const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 4};
  VkDescriptorPoolCreateInfo pool_info{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  pool_info.maxSets = 4;
  pool_info.poolSizeCount = 1;
  pool_info.pPoolSizes = &size;
  VkDescriptorPool pool = VK_NULL_HANDLE;
  check_result(vkCreateDescriptorPool(device_.handle(), &pool_info, nullptr, &pool), "creating a descriptor pool");
  descriptors_ = DescriptorPoolHandle(device_.handle(), pool);

  ImGui_ImplVulkan_InitInfo info{};
  info.Instance = instance_.handle();
  info.PhysicalDevice = device_.info().handle;
  info.Device = device_.handle();
  info.QueueFamily = device_.queue_family();
  info.Queue = device_.queue();
  info.DescriptorPool = pool;
  info.MinImageCount = 2;
  info.ImageCount = 3;  // vertex buffers in turn: one frame in flight, and a capture beside it
  info.MSAASamples = VK_SAMPLE_COUNT_1_BIT;
  info.CheckVkResultFn = check_imgui;
  ImGui_ImplVulkan_Init(&info, render_pass_);

  FrameCommands commands(device_);
  ImGui_ImplVulkan_CreateFontsTexture(commands.begin());
  commands.submit();
  commands.wait();
  ImGui_ImplVulkan_DestroyFontUploadObjects();
}

void ImguiRenderer::stop() {
  ImGui_ImplVulkan_Shutdown();
  descriptors_ = {};
}

void ImguiRenderer::upload_fonts() {
  // Version 1.86 would leak the old texture if it only made a new one.
  stop();
  start();
}

void ImguiRenderer::begin_frame() {
  ImGui_ImplVulkan_NewFrame();
}

void ImguiRenderer::record(VkCommandBuffer commands, VkRenderPass render_pass, VkFramebuffer framebuffer,
                           std::uint32_t width, std::uint32_t height, ImDrawData* data) {
  const ImVec4 background = ImGui::GetStyle().Colors[ImGuiCol_WindowBg];
  VkClearValue clear{};
  clear.color = {{background.x, background.y, background.z, 1.0f}};
  VkRenderPassBeginInfo begin{VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO};
  begin.renderPass = render_pass;
  begin.framebuffer = framebuffer;
  begin.renderArea.extent = {width, height};
  begin.clearValueCount = 1;
  begin.pClearValues = &clear;
  vkCmdBeginRenderPass(commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
  ImGui_ImplVulkan_RenderDrawData(data, commands);
  vkCmdEndRenderPass(commands);
}

}  // namespace regroup::view
