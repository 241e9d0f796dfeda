// The pipeline cache on disk: comes back whole, and whatever else the file holds is ignored.
#include "runtime/gpu/pipeline_cache.h"

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "shaders/activation/add.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

constexpr std::size_t kHeaderBytes = 24;  // magic, format, bytes, checksum

class PipelineCacheTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    folder_ = std::filesystem::temp_directory_path() / ("regroup-cache-test-" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override {
    std::filesystem::remove_all(folder_);
    DeviceTest::TearDown();
  }
  std::unique_ptr<Device> open() { return Device::open(shared_instance(), {.cache_directory = folder_}); }
  // Opens a device on the folder, compiles a kernel, and lets the destructor write the cache.
  void fill() { open()->kernel("add", as_words(shader::AddConstants{})); }
  std::filesystem::path file() { return pipeline_cache_path(folder_, device().info()); }
  std::string content() {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& bytes) { std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes; }
  // Bytes of the driver's data in a cache made from the file.
  std::size_t loaded_bytes(const DeviceInfo& info) {
    const PipelineCacheHandle cache = load_pipeline_cache(device().handle(), info, file());
    std::size_t size = 0;
    EXPECT_EQ(vkGetPipelineCacheData(device().handle(), cache.get(), &size, nullptr), VK_SUCCESS);
    return size;
  }
  std::size_t loaded_bytes() { return loaded_bytes(device().info()); }
  std::size_t empty_bytes() {
    const PipelineCacheHandle cache = load_pipeline_cache(device().handle(), device().info(), {});
    std::size_t size = 0;
    EXPECT_EQ(vkGetPipelineCacheData(device().handle(), cache.get(), &size, nullptr), VK_SUCCESS);
    return size;
  }
  std::filesystem::path folder_;
};

TEST_F(PipelineCacheTest, ComesBackWhole) {
  fill();
  ASSERT_TRUE(std::filesystem::exists(file()));
  const std::string written = content();
  ASSERT_GT(written.size(), kHeaderBytes);
  std::uint64_t stated = 0;
  std::memcpy(&stated, written.data() + 8, 8);
  EXPECT_EQ(stated, written.size() - kHeaderBytes);
  // What the driver took of its data is its own business (SwiftShader keeps none); it must not refuse it.
  EXPECT_GT(loaded_bytes(), 0u);
  // A second run compiles from it and still works.
  open()->kernel("add", as_words(shader::AddConstants{}));
  EXPECT_TRUE(std::filesystem::exists(file()));
}

TEST_F(PipelineCacheTest, LeavesNoTemporary) {
  fill();
  fill();
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    ++files;
    EXPECT_EQ(entry.path(), file());
  }
  EXPECT_EQ(files, 1u);
}

TEST_F(PipelineCacheTest, NothingIsWrittenWithoutAFolderOrAKernel) {
  open();
  EXPECT_FALSE(std::filesystem::exists(file()));
  Device::open(shared_instance(), {})->kernel("add", as_words(shader::AddConstants{}));
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(PipelineCacheTest, DamagedFilesAreIgnored) {
  fill();
  const std::string good = content();
  const std::size_t empty = empty_bytes();
  const auto ignored = [&](const std::string& what, const std::string& bytes) {
    SCOPED_TRACE(what);
    put(bytes);
    EXPECT_EQ(loaded_bytes(), empty);
    EXPECT_NO_THROW(open()->kernel("add", as_words(shader::AddConstants{})));
    EXPECT_EQ(content().substr(0, 8), good.substr(0, 8));  // and replaced by a good one
  };
  const auto with = [&](std::size_t at, std::string_view bytes) {
    return std::string(good).replace(at, bytes.size(), bytes);
  };
  ignored("empty", "");
  ignored("half a header", good.substr(0, 11));
  ignored("a header alone", good.substr(0, kHeaderBytes));
  ignored("one byte short", good.substr(0, good.size() - 1));
  ignored("one byte more", good + "x");
  ignored("wrong magic", with(0, "RGPX"));
  ignored("another format", with(4, std::string("\x02\0\0\0", 4)));
  ignored("a huge length", with(8, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8)));
  ignored("a length of 2^64 - 1", with(8, std::string(8, '\xff')));
  ignored("wrong checksum", with(16, std::string(8, '\x5a')));
  for (const std::size_t at : {kHeaderBytes, (kHeaderBytes + good.size()) / 2, good.size() - 1}) {
    ignored("a flipped byte at " + std::to_string(at), with(at, std::string(1, static_cast<char>(good[at] ^ 0x40))));
  }
  ignored("text", "not a cache at all, but long enough to hold a whole header of ours and of the driver");
}

TEST_F(PipelineCacheTest, AnotherDriversFileIsIgnored) {
  fill();
  DeviceInfo other = device().info();
  other.vendor_id ^= 1;
  EXPECT_EQ(loaded_bytes(other), empty_bytes());
  other = device().info();
  other.pipeline_cache_uuid[3] ^= 1;
  EXPECT_EQ(loaded_bytes(other), empty_bytes());
  EXPECT_NE(pipeline_cache_path(folder_, other), file());
  other = device().info();
  ++other.driver_version;
  EXPECT_NE(pipeline_cache_path(folder_, other), file());
}

TEST_F(PipelineCacheTest, AFolderThatCannotBeWrittenIsNoFailure) {
  std::ofstream(folder_) << "a file where the folder should be";
  EXPECT_NO_THROW(fill());
  const PipelineCacheHandle cache = load_pipeline_cache(device().handle(), device().info(), {});
  EXPECT_FALSE(store_pipeline_cache(device().handle(), cache.get(), device().info(), file()));
}

}  // namespace
}  // namespace regroup::test
