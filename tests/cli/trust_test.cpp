// What users meet when a device fails or computes wrong results: the same text from other kernels or another device,
// or one line and the right exit code.
#include <cstdlib>
#include <fstream>

#include "tests/cli/program.h"

namespace regroup::test {
namespace {

class TrustTest : public ProgramTest {
 protected:
  static std::vector<std::string> greedy(std::vector<std::string> more = {}, const char* count = "12") {
    std::vector<std::string> arguments = {
        "run", "-q",  "-m",     bundled(), "-p",       "The little girl opened the door", "-n", count,
        "-c",  "128", "--temp", "0",       "--no-tune"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  static void expect_one_line(const Outcome& outcome, int code, const char* part) {
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.err.find("regroup: "), 0u) << outcome.err;
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  }
};

TEST_F(TrustTest, ASpoiledKernelLeavesTheTextAsItIs) {
  const auto right = document(greedy());
  const std::string family = right["kernels"];
  const std::string kernel = family == "cpu-texel16"  ? "linear_decode_texel16_"
                             : family == "cpu-texel8" ? "linear_decode_texel_"
                             : family == "cpu-ssbo4"  ? "linear_decode_ssbo_"
                                                      : "linear_decode_plain_";
  // Whichever formats the bundled model has, one of these is in use.
  std::vector<std::string> spoil;
  for (const char* format : {"q4_0", "q8_0", "f16", "f32"}) {
    spoil.insert(spoil.end(), {"--spoil-kernel", kernel + format});
  }
  const auto other = document(greedy(spoil));
  EXPECT_NE(other["kernels"], right["kernels"]);
  EXPECT_EQ(other["tokens"], right["tokens"]);
  // Of a kernel that all families share.
  const auto plain = document(greedy({"--spoil-kernel", "sampling_greedy"}));
  EXPECT_EQ(plain["tokens"], right["tokens"]);
  expect_one_line(run(greedy({"--spoil-kernel", "no_such_kernel"})), 2, "no_such_kernel");
}

// What the program asks of lavapipe (cli/driver_environment.h) changes speed, not tokens, and leaves the user's word.
TEST_F(TrustTest, TheWidthOfVectorsLeavesTheTextAsItIs) {
  if (run({"devices"}).out.find("llvmpipe") == std::string::npos || std::getenv("LP_NATIVE_VECTOR_WIDTH")) return;
  const auto right = document(greedy());
  for (const char* family : {"cpu-texel8", "cpu-texel16"}) {
    const auto forced = document(greedy({"--kernels", family}));
    EXPECT_EQ(forced["kernels"], family);
    EXPECT_EQ(forced["tokens"], right["tokens"]);
    EXPECT_EQ(document(greedy({std::string("--kernels=") + family}, "1"))["kernels"], family);
  }
  for (const char* bits : {"256", "512"}) {
    const Outcome devices =
        run_program({"devices"}, {.cache = folder() / "cache", .environment = {{"LP_NATIVE_VECTOR_WIDTH", bits}}});
    EXPECT_NE(devices.out.find(std::string(bits) + " bits"), std::string::npos) << devices.out;
  }
}

TEST_F(TrustTest, ALostDeviceIsOpenedAgainOnce) {
  const auto right = document(greedy());
  const auto again = document(greedy({"--inject-fault", "WaitForFences@9:device-lost"}));
  EXPECT_EQ(again["tokens"], right["tokens"]);
  Outcome told = run({"run", "-m", bundled(), "-p", "The little", "-n", "4", "-c", "64", "--temp", "0", "--no-tune",
                      "--inject-fault", "WaitForFences@6:device-lost"});
  EXPECT_EQ(told.code, 0) << told.err;
  EXPECT_NE(told.err.find("going on"), std::string::npos) << told.err;
  expect_one_line(run(greedy({"--inject-fault", "WaitForFences@9:device-lost,WaitForFences@13:device-lost"})), 5,
                  "lost");
}

TEST_F(TrustTest, FailedAllocationsTellWhatWouldFit) {
  for (const char* fault : {"AllocateMemory@2:out-of-device-memory", "AllocateMemory@6:out-of-device-memory"}) {
    expect_one_line(run(greedy({"--inject-fault", fault})), 6, "the device gave");
  }
}

TEST_F(TrustTest, TracesAreReplayed) {
  const std::string trace = file("t.json").string();
  ASSERT_EQ(run(greedy({"--trace", trace, "--groups", "4"}, "8")).code, 0);
  const auto same = document({"replay", "-q", trace});
  expect_keys(same,
              {"agree", "first_token", "first_layer", "compared_tokens", "compared_layers", "recorded", "replayed"});
  EXPECT_EQ(same["agree"], true);
  EXPECT_GE(same["compared_layers"].get<int>(), 8);
  // Other kernels compute the same within the tolerance; nothing is the same within none.
  EXPECT_EQ(document({"replay", "-q", trace, "--kernels", "gpu-shared"})["agree"], true);
  const Outcome strict = run({"replay", "-q", trace, "--kernels", "gpu-shared", "--tolerance", "0"});
  EXPECT_EQ(strict.code, 1);
  EXPECT_NE(strict.out.find("layer"), std::string::npos) << strict.out;
  // A token and a layer that were something else.
  std::ifstream in(trace);
  auto json = nlohmann::json::parse(in);
  auto& token = json["tokens"].back();
  token["layers"][1][0] = token["layers"][1][0].get<double>() * 1.5;
  std::ofstream(file("wrong.json")) << json.dump();
  const Outcome wrong = run({"replay", "-q", file("wrong.json").string()});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.out.find("layer 1"), std::string::npos) << wrong.out;
  json = nlohmann::json::parse(std::ifstream(trace));
  json["tokens"].back()["id"] = 7;
  std::ofstream(file("other.json")) << json.dump();
  const Outcome other = run({"replay", "-q", file("other.json").string()});
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.out.find("first token"), std::string::npos) << other.out;
  expect_one_line(run({"replay", "-q", bundled()}), 3, "JSON");
  expect_one_line(run({"run", "-q", "-m", bundled(), "-p", "a", "-p", "b", "--trace", trace}), 2, "--trace");
}

}  // namespace
}  // namespace regroup::test
