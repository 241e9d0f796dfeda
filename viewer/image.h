// Pixels on the host, and PNG files of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace regroup::view {

// Rows from the top, 4 bytes a pixel: red, green, blue, alpha.
struct Image {
  std::uint32_t width = 0, height = 0;
  std::vector<std::uint8_t> rgba;
};

// The part of `image` inside the rectangle, cut to the image's edges.
Image crop(const Image& image, int x, int y, int width, int height);

// Throws kFailed when the file cannot be written. Written completely or not at all.
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace regroup::view
