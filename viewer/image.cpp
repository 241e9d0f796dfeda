#include "viewer/image.h"

#include <stb_image_write.h>

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/file/atomic_file.h"

namespace regroup::view {

Image crop(const Image& image, int x, int y, int width, int height) {
  const int left = std::clamp(x, 0, static_cast<int>(image.width));
  const int top = std::clamp(y, 0, static_cast<int>(image.height));
  const int right = std::clamp(x + width, left, static_cast<int>(image.width));
  const int bottom = std::clamp(y + height, top, static_cast<int>(image.height));
  Image part{.width = static_cast<std::uint32_t>(right - left), .height = static_cast<std::uint32_t>(bottom - top)};
  for (int row = top; row < bottom; ++row) {
    const auto begin = image.rgba.begin() + (static_cast<std::ptrdiff_t>(row) * image.width + left) * 4;
    part.rgba.insert(part.rgba.end(), begin, begin + std::ptrdiff_t{part.width} * 4);
  }
  return part;
}

void write_png(const std::filesystem::path& path, const Image& image) {
  if (image.width == 0 || image.height == 0)
    throw_error(ErrorCode::kFailed, "{}: there is nothing to save", path.string());
  // Three channels: a window has no transparency worth a third more bytes.
  std::vector<std::uint8_t> rgb;
  rgb.reserve(image.rgba.size() / 4 * 3);
  for (std::size_t i = 0; i < image.rgba.size(); i += 4) {
    rgb.insert(rgb.end(), image.rgba.begin() + static_cast<std::ptrdiff_t>(i),
               image.rgba.begin() + static_cast<std::ptrdiff_t>(i) + 3);
  }
  std::vector<std::byte> bytes;
  const auto collect = [](void* context, void* data, int size) {
    const auto* begin = static_cast<const std::byte*>(data);
    static_cast<std::vector<std::byte>*>(context)->insert(static_cast<std::vector<std::byte>*>(context)->end(), begin,
                                                          begin + size);
  };
  const int done =
      stbi_write_png_to_func(collect, &bytes, static_cast<int>(image.width), static_cast<int>(image.height), 3,
                             rgb.data(), static_cast<int>(image.width) * 3);
  if (done == 0) throw_error(ErrorCode::kFailed, "{}: the picture could not be encoded", path.string());
  AtomicFile file(path, Overwrite::kYes);
  file.write(bytes);
  file.close();
  file.commit();
}

}  // namespace regroup::view
