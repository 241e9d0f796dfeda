// Bytes to the device and back: odd sizes and offsets, several pieces, units that are larger than a piece.
#include "runtime/gpu/transfer.h"

#include <numeric>

#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

constexpr std::uint64_t kStagingBytes = 16u << 20;

std::vector<std::byte> pattern(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * 31 + (i >> 9) * 7);
  return bytes;
}

class TransferTest : public DeviceTest {};

TEST_F(TransferTest, OddSizesAndOffsets) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  Buffer& buffer = arena.buffer(5000, "buffer");
  const std::vector<std::byte> zeros(buffer.size_bytes());
  for (const std::size_t count : {1u, 3u, 15u, 17u, 255u, 4099u}) {
    for (const std::uint64_t offset : {0u, 1u, 7u, 64u}) {
      upload(device(), buffer, zeros);
      const auto bytes = pattern(count);
      upload(device(), buffer, bytes, offset);
      std::vector<std::byte> whole(buffer.size_bytes());
      download(device(), buffer, whole);
      for (std::size_t i = 0; i < whole.size(); ++i) {
        const bool inside = i >= offset && i < offset + count;
        ASSERT_EQ(whole[i], inside ? bytes[i - offset] : std::byte{0}) << count << " at " << offset << ", byte " << i;
      }
      std::vector<std::byte> part(count);
      download(device(), BufferView(buffer, offset, count), part);
      ASSERT_EQ(part, bytes);
    }
  }
  upload(device(), buffer, {});
  download(device(), buffer, {});
}

TEST_F(TransferTest, LargerThanOnePiece) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  const std::size_t count = kStagingBytes + 1234567;
  Buffer& buffer = arena.buffer(count, "large");
  const auto bytes = pattern(count);
  upload(device(), buffer, bytes);
  std::vector<std::byte> back(count);
  download(device(), buffer, back);
  EXPECT_TRUE(back == bytes);
}

TEST_F(TransferTest, FillerIsAskedForEveryByteOnceInOrder) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  const std::uint64_t multiple = 48 * 1000;  // panels of an unusual size
  const std::uint64_t count = kStagingBytes + multiple + 16;
  Buffer& buffer = arena.buffer(count, "large");
  const auto bytes = pattern(count);
  std::uint64_t next = 0;
  int pieces = 0;
  upload_with(
      device(), buffer, count,
      [&](std::uint64_t at, std::span<std::byte> piece) {
        EXPECT_EQ(at, next);
        EXPECT_EQ(at % multiple, 0u);
        EXPECT_LE(piece.size(), kStagingBytes);
        if (at + piece.size() < count) {
          EXPECT_EQ(piece.size() % multiple, 0u);
        }
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), piece.size(), piece.begin());
        next = at + piece.size();
        ++pieces;
      },
      multiple);
  EXPECT_EQ(next, count);
  EXPECT_EQ(pieces, 2);
  std::vector<std::byte> back(count);
  download(device(), buffer, back);
  EXPECT_TRUE(back == bytes);
}

TEST_F(TransferTest, UnitsLargerThanTheStagingSizeComeWhole) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  const std::uint64_t unit = kStagingBytes + 4096;
  Buffer& buffer = arena.buffer(unit, "unit");
  upload_with(
      device(), buffer, unit,
      [&](std::uint64_t, std::span<std::byte> piece) {
        EXPECT_EQ(piece.size(), unit);
        std::fill(piece.begin(), piece.end(), std::byte{9});
      },
      unit);
  std::vector<std::byte> last(1);
  download(device(), BufferView(buffer, unit - 1, 1), last);
  EXPECT_EQ(last[0], std::byte{9});
}

TEST_F(TransferTest, TypedValues) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  Buffer& buffer = arena.buffer(4 * 777, "values");
  std::vector<float> values(777);
  std::iota(values.begin(), values.end(), -100.5f);
  upload_values<float>(device(), buffer, values);
  EXPECT_EQ(download_values<float>(device(), buffer, 777), values);
  EXPECT_EQ(download_values<float>(device(), BufferView(buffer, 400, 40), 10)[0], values[100]);
}

TEST_F(TransferTest, RefusesWhatDoesNotFit) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  Buffer& buffer = arena.buffer(64, "small");
  std::vector<std::byte> bytes(65);
  EXPECT_THROW(upload(device(), buffer, bytes), std::logic_error);
  EXPECT_THROW(upload(device(), buffer, std::span(bytes).first(60), 5), std::logic_error);
  EXPECT_THROW(download(device(), buffer, bytes), std::logic_error);
  EXPECT_THROW(upload_with(device(), buffer, 65, [](std::uint64_t, std::span<std::byte>) {}), std::logic_error);
}

}  // namespace
}  // namespace regroup::test
