// Mapped files: what can be mapped, and that released pages leave memory and come back.
#include "runtime/file/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <numeric>

#include "tests/file/file_support.h"

namespace regroup::test {
namespace {

// Pages of files that this process has in memory.
std::size_t resident_file_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0, shared = 0;
  statm >> total >> resident >> shared;
  return shared * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

unsigned long long sum_of(std::span<const std::byte> bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), 0ULL,
                         [](unsigned long long sum, std::byte b) { return sum * 31 + std::to_integer<unsigned>(b); });
}

TEST(MappedFile, ReleasedPagesLeaveMemoryAndComeBack) {
  const TemporaryFolder folder;
  constexpr std::size_t kBytes = std::size_t{16} << 20;
  std::string data(kBytes, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7 + i / 4096);
  const MappedFile file = MappedFile::open(folder.write("big", data));
  const auto sum = sum_of(file.bytes());
  if (resident_file_bytes() < kBytes) GTEST_SKIP() << "NOT TESTED: this system does not tell which pages are resident";
  const std::size_t before = resident_file_bytes();
  // Not on page boundaries: only whole pages go.
  const auto part = file.bytes().subspan(100, kBytes - 200);
  file.release_pages(part);
  EXPECT_LT(resident_file_bytes(), before - kBytes / 2);
  EXPECT_EQ(sum_of(file.bytes()), sum);
  EXPECT_THROW(file.release_pages(bytes_of(data)), std::logic_error);
}

TEST(MappedFile, EmptyFileHasNoBytes) {
  const TemporaryFolder folder;
  const MappedFile file = MappedFile::open(folder.write("empty", ""));
  EXPECT_TRUE(file.bytes().empty());
  file.release_pages({});
}

TEST(MappedFile, OnlyRegularFilesAreMapped) {
  const TemporaryFolder folder;
  expect_bad_model(folder.path().string(), "is a directory where a file was expected",
                   [&] { MappedFile::open(folder.path()); });
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_bad_model("pipe", "is a device, pipe or socket",
                   [&] { MappedFile::open(pipe); });  // and does not wait for a writer
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string socket_path = (folder.path() / "socket").string();
  ASSERT_LT(socket_path.size(), sizeof address.sun_path);
  socket_path.copy(address.sun_path, socket_path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  expect_bad_model("socket", "is a device, pipe or socket", [&] { MappedFile::open(socket_path); });
  ::close(socket);
  expect_bad_model("/dev/zero", "is a device", [] { MappedFile::open("/dev/zero"); });
  expect_error(ErrorCode::kFailed, "none", "No such file", [&] { MappedFile::open(folder.path() / "none"); });
  fs::create_symlink("loop", folder.path() / "loop");
  expect_error(ErrorCode::kFailed, "loop", "symbolic links", [&] { MappedFile::open(folder.path() / "loop"); });
}

TEST(MappedFile, MovedFileKeepsItsBytes) {
  const TemporaryFolder folder;
  MappedFile first = MappedFile::open(folder.write("a", "abc"));
  const std::byte* where = first.bytes().data();
  MappedFile second = std::move(first);
  EXPECT_EQ(second.bytes().data(), where);
  MappedFile third = MappedFile::open(folder.write("b", "xyz"));
  third = std::move(second);
  EXPECT_EQ(text_of(third.bytes()), "abc");
}

}  // namespace
}  // namespace regroup::test
