// Files that get their names when they are whole, and what may stand in their place.
#include "runtime/file/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "runtime/core/error.h"
#include "runtime/file/replace_file.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;

class AtomicFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("regroup-atomic-test-" + std::to_string(getpid()));
    fs::create_directories(folder_ / "elsewhere");
  }
  void TearDown() override { fs::remove_all(folder_); }
  static std::string content(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  fs::path folder_;
};

TEST_F(AtomicFileTest, ALinkStaysAndWhatItPointsToIsReplaced) {
  const fs::path target = folder_ / "elsewhere" / "target", link = folder_ / "link";
  replace_file(target, "old");
  fs::create_symlink("elsewhere/target", link);
  replace_file(link, "new");
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(content(target), "new");
  EXPECT_THROW(AtomicFile(link, Overwrite::kNo), Error);
}

TEST_F(AtomicFileTest, PipesAreWrittenIntoAndNeverReplaced) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::string read;
  std::thread reader([&] { read = content(pipe); });
  replace_file(pipe, "text");
  reader.join();
  EXPECT_EQ(read, "text");
  try {
    AtomicFile file(pipe, Overwrite::kYes);
    ADD_FAILURE() << "a pipe was to be replaced";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find(pipe.string()), std::string::npos) << error.what();
  }
  EXPECT_TRUE(fs::is_fifo(pipe));
}

TEST_F(AtomicFileTest, WithoutCommitNothingIsLeftAndTheOldFileStands) {
  const fs::path target = folder_ / "target";
  replace_file(target, "old");
  {
    AtomicFile file(target, Overwrite::kYes);
    file.write(std::as_bytes(std::span("new")));
    file.close();
    EXPECT_EQ(content(target), "old");
  }
  EXPECT_EQ(content(target), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2);  // and the folder elsewhere
}

}  // namespace
}  // namespace regroup::test
