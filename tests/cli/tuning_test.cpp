// What a user sees of tuning: timings that `regroup devices` shows, and that --no-tune leaves alone.
#include <fstream>

#include "tests/cli/program.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class TuningTest : public ProgramTest {
 protected:
  TuningTest() : cache_(file(::testing::UnitTest::GetInstance()->current_test_info()->name())) {}

  Json document(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const Outcome outcome = run_program(arguments, {.cache = cache_});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out, nullptr, false);
  }
  Json run_greedy(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"run", "-q", "-m", bundled(), "-p", "The little", "-n", "4", "--temp", "0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return document(arguments);
  }
  Json timed() const { return document({"devices"})["devices"][0]["timed"]; }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(cache_)) {
      if (entry.path().filename().string().starts_with("tuning-")) found.push_back(entry.path());
    }
    return found;
  }

  fs::path cache_;
};

TEST_F(TuningTest, DevicesShowsWhatWasChosen) {
  EXPECT_EQ(timed(), Json::array());
  const std::string used = run_greedy()["kernels"];
  const Json rows = timed();
  ASSERT_EQ(rows.size(), 1u);
  expect_keys(rows[0], {"shape", "kernels", "settled", "ms"});
  EXPECT_EQ(rows[0]["kernels"], used);
  EXPECT_GE(rows[0]["ms"].size(), 2u);
  EXPECT_TRUE(rows[0]["ms"].contains(used));
  const Outcome text = run_program({"devices"}, {.cache = cache_});
  EXPECT_NE(text.out.find(rows[0]["shape"].get<std::string>()), std::string::npos) << text.out;
}

TEST_F(TuningTest, NoTuneTimesNothingAndHeedsNoTiming) {
  const Json first = run_greedy({"--no-tune"});
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(timed(), Json::array());

  run_greedy();
  ASSERT_EQ(files().size(), 1u);
  const fs::path path = files()[0];
  // As if another family had been found faster, twice.
  Json kept = Json::parse(std::ifstream(path));
  Json& timing = kept["timings"][0];
  timing["taken"] = 2;
  timing["speeds"][1]["ms"] = timing["speeds"][0]["ms"].get<double>() / 1000;
  std::ofstream(path) << kept;
  const Json other = run_greedy();
  EXPECT_EQ(other["kernels"], timing["speeds"][1]["name"]);
  EXPECT_EQ(other["tokens"], first["tokens"]);
  EXPECT_EQ(run_greedy({"--no-tune"})["kernels"], first["kernels"]);
  EXPECT_EQ(run_greedy({"--kernels", first["kernels"].get<std::string>()})["kernels"], first["kernels"]);

  std::ofstream(path) << "damaged";
  EXPECT_EQ(run_greedy()["tokens"], first["tokens"]);
  EXPECT_EQ(timed().size(), 1u);
}

}  // namespace
}  // namespace regroup::test
