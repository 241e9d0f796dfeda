#include "viewer/backend/drawn_frame.h"

#include <imgui.h>

#include <cstring>

namespace regroup::view {
namespace {

class Digest {
 public:
  void add(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (; bytes >= 8; at += 8, bytes -= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, 8);
      mix(word);
    }
    std::uint64_t word = bytes;
    std::memcpy(&word, at, bytes);
    mix(word);
  }
  std::uint64_t value() const { return value_; }

 private:
  void mix(std::uint64_t word) {  // as in splitmix64
    value_ = (value_ ^ word) * 0xbf58476d1ce4e5b9ull;
    value_ ^= value_ >> 29;
  }
  std::uint64_t value_ = 0x9e3779b97f4a7c15ull;
};

}  // namespace

std::uint64_t digest(const ImDrawData& data) {
  Digest all;
  all.add(&data.DisplayPos, sizeof data.DisplayPos);
  all.add(&data.DisplaySize, sizeof data.DisplaySize);
  all.add(&data.FramebufferScale, sizeof data.FramebufferScale);
  for (int i = 0; i < data.CmdListsCount; ++i) {
    const ImDrawList& list = *data.CmdLists[i];
    all.add(list.VtxBuffer.Data, static_cast<std::size_t>(list.VtxBuffer.size_in_bytes()));
    all.add(list.IdxBuffer.Data, static_cast<std::size_t>(list.IdxBuffer.size_in_bytes()));
    for (const ImDrawCmd& command : list.CmdBuffer) {
      all.add(&command.ClipRect, sizeof command.ClipRect);
      all.add(&command.ElemCount, sizeof command.ElemCount);
      all.add(&command.TextureId, sizeof command.TextureId);
    }
  }
  return all.value();
}

}  // namespace regroup::view
