// Swapping names: both change, or neither.
#include "runtime/file/exchange_names.h"

#include "tests/file/file_support.h"

namespace regroup::test {
namespace {

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ExchangeNames, BothOrNeither) {
  const TemporaryFolder folder;
  const fs::path a = folder.path() / "a", b = folder.path() / "b";
  for (const fs::path& directory : {a, b}) {
    fs::create_directory(directory);
    std::ofstream(directory / "name") << directory.filename().string();
  }
  const bool exchanged = exchange_names(a, b);  // not every file system can
  EXPECT_EQ(text_of(a / "name"), exchanged ? "b" : "a");
  EXPECT_EQ(text_of(b / "name"), exchanged ? "a" : "b");
}

TEST(ExchangeNames, BothMustBeThere) {
  const TemporaryFolder folder;
  const fs::path file = folder.write("a", "a");
  EXPECT_FALSE(exchange_names(file, folder.path() / "b"));
  EXPECT_FALSE(exchange_names(folder.path() / "b", file));
  EXPECT_EQ(text_of(file), "a");
  EXPECT_EQ(folder.count(), 1u);
}

}  // namespace
}  // namespace regroup::test
