// Every input that once broke a reader, and the seeds of the fuzzers, through the targets again.
#include <gtest/gtest.h>

#include "tests/fuzz/targets.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;

TEST(FuzzReplay, EveryKeptInputIsReadOrRefused) {
  for (const FuzzTarget& target : kFuzzTargets) {
    const fs::path folder = fs::path(REGROUP_SOURCE_DIR) / "tests" / "data" / "fuzz" / target.name;
    ASSERT_TRUE(fs::is_directory(folder)) << folder;
    std::size_t inputs = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
      SCOPED_TRACE(entry.path().string());
      const std::string bytes = read_file(entry.path());
      EXPECT_NO_THROW(target.run(std::as_bytes(std::span(bytes))));
      ++inputs;
    }
    EXPECT_GT(inputs, 0u) << folder;
  }
}

TEST(FuzzReplay, ARefusalMustBeOneCleanLine) {
  EXPECT_THROW(may_refuse([] { throw std::logic_error("ours"); }), std::logic_error);
  EXPECT_NO_THROW(fuzz_gguf({}));
  const std::string bytes = "GGUF";
  EXPECT_NO_THROW(fuzz_gguf(std::as_bytes(std::span(bytes))));
}

}  // namespace
}  // namespace regroup::test
