#include "viewer/file_dialog.h"

#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/decode/locate_model.h"
#include "runtime/decode/memory_plan.h"
#include "viewer/panel.h"

namespace regroup::view {
namespace {

bool can_be_opened(const std::filesystem::path& path) {
  const auto extension = path.extension();
  return extension == ".gguf" || extension == ".json";
}

}  // namespace

void FileDialog::open() {
  open_ = fresh_ = true;
  std::error_code ignored;
  if (folder_.empty()) folder_ = std::filesystem::current_path(ignored);
  list();
}

void FileDialog::list() {
  entries_.clear();
  fetched_.clear();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(
           folder_, std::filesystem::directory_options::skip_permission_denied, error)) {
    std::error_code ignored;
    const bool folder = entry.is_directory(ignored);
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") || (!folder && !can_be_opened(entry.path()))) continue;
    const auto bytes = folder ? 0 : entry.file_size(ignored);
    entries_.push_back({entry.path(), escaped(name), folder, folder ? std::string() : human_bytes(bytes)});
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.folder != b.folder ? a.folder : a.name < b.name; });
  for (const auto& entry : std::filesystem::directory_iterator(cache_directory() / "models", error)) {
    std::error_code ignored;
    if (entry.path().extension() != ".gguf") continue;
    fetched_.push_back(
        {entry.path(), escaped(entry.path().stem().string()), false, human_bytes(entry.file_size(ignored))});
  }
  std::sort(fetched_.begin(), fetched_.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
}

std::optional<std::filesystem::path> FileDialog::draw(const Theme& theme) {
  if (!open_) return std::nullopt;
  std::optional<std::filesystem::path> chosen;
  const float em = ImGui::GetFontSize();
  const ImVec2 screen = ImGui::GetIO().DisplaySize;
  ImGui::SetNextWindowPos({screen.x / 2, screen.y / 2}, ImGuiCond_Always, {0.5f, 0.5f});
  ImGui::SetNextWindowSize({std::min(screen.x * 0.9f, em * 46), std::min(screen.y * 0.9f, em * 34)});
  ImGui::PushStyleColor(ImGuiCol_WindowBg, theme.header);
  ImGui::Begin("Open", nullptr,
               ImGuiWindowFlags_NoTitleBar | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoResize |
                   ImGuiWindowFlags_NoSavedSettings);
  ImGui::PushFont(theme.bold);
  ImGui::TextUnformatted("Open a model (.gguf, Hugging Face folder) or a trace (.json)");
  ImGui::PopFont();
  ImGui::PushStyleColor(ImGuiCol_Text, theme.dim);
  ImGui::TextUnformatted("Models");
  ImGui::PopStyleColor();
  if (ImGui::Button("bundled model")) chosen.emplace();
  for (const Entry& entry : fetched_) {
    const std::string label = fmt::format("{}  {}", entry.name, entry.size);
    next_to(ImGui::CalcTextSize(label.c_str()).x + ImGui::GetStyle().FramePadding.x * 2, 4);
    if (ImGui::Button(label.c_str())) chosen = entry.path;
  }
  ImGui::Separator();
  if (std::exchange(fresh_, false)) ImGui::SetKeyboardFocusHere();  // keys are a path now, no actions
  ImGui::SetNextItemWidth(-em * 12);
  if (ImGui::InputTextWithHint("##path", "path, or the name of a fetched model", &typed_,
                               ImGuiInputTextFlags_EnterReturnsTrue) &&
      !typed_.empty()) {
    std::error_code ignored;
    if (std::filesystem::is_directory(typed_, ignored) &&
        !std::filesystem::exists(std::filesystem::path(typed_) / "config.json", ignored)) {
      folder_ = typed_;
      list();
    } else {
      chosen = typed_;
    }
  }
  ImGui::SameLine();
  if (ImGui::Button("Up")) {
    folder_ = folder_.parent_path();
    list();
  }
  ImGui::SameLine();
  std::error_code ignored;
  const bool is_model = std::filesystem::exists(folder_ / "config.json", ignored);
  ImGui::BeginDisabled(!is_model);
  if (ImGui::Button("Open folder")) chosen = folder_;
  ImGui::EndDisabled();
  ImGui::PushStyleColor(ImGuiCol_Text, theme.dim);
  ImGui::TextUnformatted(escaped(folder_.string()).c_str());
  ImGui::PopStyleColor();
  ImGui::PushStyleColor(ImGuiCol_ChildBg, theme.field);
  ImGui::BeginChild("files", {0, -ImGui::GetFrameHeightWithSpacing()}, true);
  std::optional<std::filesystem::path> enter;
  for (const Entry& entry : entries_) {
    ImGui::PushID(entry.path.c_str());
    if (ImGui::Selectable(entry.folder ? (entry.name + "/").c_str() : entry.name.c_str())) {
      if (entry.folder) {
        enter = entry.path;
      } else {
        chosen = entry.path;
      }
    }
    if (!entry.size.empty()) {
      ImGui::SameLine(ImGui::GetContentRegionAvail().x - em * 5);
      ImGui::TextDisabled("%s", entry.size.c_str());
    }
    ImGui::PopID();
  }
  if (entries_.empty()) ImGui::TextDisabled("nothing here that can be opened");
  ImGui::EndChild();
  ImGui::PopStyleColor();
  if (enter) {
    folder_ = *enter;
    list();
  }
  if (ImGui::Button("Cancel (Escape)")) open_ = false;
  ImGui::End();
  ImGui::PopStyleColor();
  if (chosen) open_ = false;
  return chosen;
}

}  // namespace regroup::view
