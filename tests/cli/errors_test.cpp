// What users get when something is wrong: the exit code, one line on stderr that names it, nothing on stdout.
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <limits>

#include "runtime/file/model_file.h"
#include "tests/cli/program.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;

class ErrorsTest : public ProgramTest {
 protected:
  void expect_failure(const std::vector<std::string>& arguments, int code, std::initializer_list<const char*> named) {
    const Outcome outcome = run(arguments);
    std::string shown;
    for (const std::string& argument : arguments) shown += argument + " ";
    SCOPED_TRACE(shown);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.find("regroup: "), 0u) << outcome.err;
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
    EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
    for (const char* part : named) EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  }
  std::string write(const std::string& name, const std::string& bytes) {
    std::ofstream(file(name), std::ios::binary) << bytes;
    return file(name).string();
  }
  std::string head_of_the_model(std::size_t bytes) {
    std::string head(bytes, '\0');
    std::ifstream(bundled(), std::ios::binary).read(head.data(), static_cast<std::streamsize>(bytes));
    return head;
  }
};

TEST_F(ErrorsTest, PathsThatAreNotThere) {
  expect_failure({"run", "-q", "-m", "/no/such/model.gguf", "-p", "x"}, 1, {"/no/such/model.gguf"});
  expect_failure({"info", "no-such-name"}, 1, {"no-such-name", "fetch_model.py"});
  expect_failure({"run", "-q", "-m", bundled(), "-f", "/no/such/prompt.txt"}, 1, {"/no/such/prompt.txt"});
  expect_failure({"run", "-q", "-m", bundled(), "-f", "/dev/zero"}, 1, {"/dev/zero", "more than"});
  expect_failure({"info", "/no/\x1b[31mred.gguf"}, 1, {"\\u{1b}"});
}

TEST_F(ErrorsTest, BadModelFiles) {
  expect_failure({"info", write("empty.gguf", "")}, 3, {"empty.gguf"});
  expect_failure({"info", write("text.gguf", "this is no model at all")}, 3, {"text.gguf"});
  expect_failure({"info", write("cut.gguf", head_of_the_model(100000))}, 3, {"cut.gguf"});
  expect_failure({"run", "-q", "-m", write("cut2.gguf", head_of_the_model(3'000'000)), "-p", "x"}, 3, {"cut2.gguf"});
  expect_failure({"tokenize", "-m", write("magic.gguf", "GGUF"), "-p", "x"}, 3, {"magic.gguf"});
}

TEST_F(ErrorsTest, WeightsThatAreNoNumbersAreNamedByWhatComputesWithThem) {
  std::string bytes = head_of_the_model(fs::file_size(bundled()));
  {
    const ModelFile model = ModelFile::open(bundled());
    const auto offset = model.find("blk.1.attn_norm.weight")->bytes.data() - model.files()[0].bytes().data();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(bytes.data() + offset, &nan, sizeof nan);
  }
  const std::string model = write("nan.gguf", bytes), text = write("text.txt", std::string(400, 'a'));
  const std::vector<std::vector<std::string>> commands = {
      {"run", "-p", "a", "-n", "2"},
      {"run", "-p", "a", "-p", "b", "-n", "2"},
      {"logits", "--tokens", "1,2,3", "-o", file("logits.npy")},
      {"eval", "-f", text, "-c", "16"},
      {"sweep", "-f", text, "-c", "16", "--groups", "8"},
      {"bench", "-p", "4", "-n", "2", "-r", "1"},
      {"convert", "-o", file("out.gguf"), "--groups", "4", "--method", "svd", "--calibration-tokens", "512"}};
  for (std::vector<std::string> command : commands) {
    command.insert(command.end(), {"-q", command[0] == "convert" ? "-i" : "-m", model});
    expect_failure(command, 3, {"nan.gguf", "'blk.1.attn_norm.weight' has nan in row 0"});
  }
  for (const char* output : {"logits.npy", "out.gguf"}) EXPECT_FALSE(fs::exists(file(output))) << output;
}

TEST_F(ErrorsTest, WrongUsage) {
  expect_failure({}, 2, {"--help"});
  expect_failure({"ruin"}, 2, {"'ruin' is no command", "did you mean 'run'?", "--help"});
  expect_failure({"frobnicate"}, 2, {"'frobnicate' is no command;"});
  expect_failure({"run", "--no-such-option"}, 2, {"'--no-such-option' was not expected;", "regroup run --help"});
  expect_failure({"run", "--gruops", "2"}, 2, {"'--gruops' was not expected; did you mean '--groups'?"});
  expect_failure({"run", "-n", "many"}, 2, {"many"});
  expect_failure({"run", "-n", "0", "-p", "x"}, 2, {"0"});
  expect_failure({"run", "-p", "x", "-f", "y"}, 2, {});
  expect_failure({"run", "-p", "The", "little", "girl"}, 2, {"'little' was not expected"});
  expect_failure({"run", "-p", "x", "--system", "be brief"}, 2, {"--system", "--chat"});
  expect_failure({"run", "--chat", "--tokens", "1,2"}, 2, {"--tokens", "--chat"});
  expect_failure({"logits", "-m", bundled()}, 2, {"--tokens"});
  expect_failure({"bench", "--sequences", "2", "-p", "16", "-n", "0"}, 2, {"-n"});
  expect_failure({"bench", "-o", "xml"}, 2, {"xml"});
  const std::string model = bundled();
  expect_failure({"run", "-q", "-m", model, "-p", "x", "--groups", "3"}, 2, {"3", "8 KV heads"});
  expect_failure({"run", "-q", "-m", model, "-p", "x", "--groups", "x"}, 2, {"--groups"});
  expect_failure({"run", "-q", "-m", model, "-p", "x", "--groups", "4,4"}, 2, {"4 layers"});
  expect_failure({"run", "-q", "-m", model, "-p", "x", "--method", "median"}, 2, {"median"});
  expect_failure({"run", "-q", "-m", model, "-p", "x", "--kv", "f64"}, 2, {"f64"});
  expect_failure({"run", "-q", "-m", model, "-p", "x", "--disable", "fp61"}, 2, {"fp61"});
  expect_failure({"run", "-q", "-m", model, "-p", "x", "--require-features", "most"}, 2, {"most"});
  expect_failure({"run", "-q", "-m", model, "-p", "x", "--kernels", "gpu-none"}, 2, {"gpu-none"});
  expect_failure({"run", "-q", "-m", model, "--tokens", "1,two"}, 2, {"two"});
  expect_failure({"run", "-q", "-m", model, "--tokens", "5000"}, 2, {"5000"});
}

// Before the work whose result would be lost.
TEST_F(ErrorsTest, OutputsThatCannotStandAreRefusedAtOnce) {
  const std::string missing = "/no/such/folder/out", folder = file("").string();
  for (const std::string& path : {missing, folder}) {
    expect_failure({"logits", "-m", bundled(), "--tokens", "1", "-o", path}, 2, {path.c_str()});
    expect_failure({"run", "-m", bundled(), "-p", "x", "--trace", path}, 2, {"--trace", path.c_str()});
    expect_failure({"sweep", "-f", "/dev/null", "--svg", path}, 2, {"--svg", path.c_str()});
    expect_failure({"sweep", "-f", "/dev/null", "--csv", path}, 2, {"--csv", path.c_str()});
    expect_failure({"bench", "--figure6", path}, 2, {"--figure6", path.c_str()});
    expect_failure({"selftest", "--report", path}, 2, {"--report", path.c_str()});
  }
  expect_failure({"run", "-q", "-m", bundled(), "-p", "x", "--groups", "budget:1"}, 2, {"1 bytes per token", "512"});
  expect_failure({"sweep", "-q", "-f", write("text.txt", "One morning."), "--methods", "mean,bogus"}, 2, {"bogus"});
}

// A file in their place would be the end of /dev/null for everybody.
TEST_F(ErrorsTest, DevicesAndPipesAreNotReplaced) {
  const std::string pipe = file("pipe").string();
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  expect_failure({"logits", "-q", "-m", bundled(), "--tokens", "1", "-o", pipe}, 2, {pipe.c_str(), "pipe"});
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  std::filesystem::remove(pipe);
  const Outcome outcome = run({"run", "-q", "-m", bundled(), "-p", "x", "-n", "1", "--trace", "/dev/stdout"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("\"schema\""), std::string::npos) << outcome.out;
}

TEST_F(ErrorsTest, PromptsThatDoNotFit) {
  const std::string model = bundled();
  expect_failure({"run", "-q", "-m", model, "-c", "4", "--tokens", "0,1,2,3,4,5"}, 2, {"6", "4"});
  expect_failure({"logits", "-q", "-m", model, "-c", "2", "--tokens", "1,2,3", "-o", file("no.npy").string()}, 2,
                 {"3"});
  EXPECT_FALSE(std::filesystem::exists(file("no.npy")));
}

TEST_F(ErrorsTest, UnknownDevices) {
  expect_failure({"run", "-q", "-m", bundled(), "-p", "x", "--device", "Voodoo 2"}, 4, {"Voodoo 2", "regroup devices"});
  expect_failure({"bench", "-q", "-m", bundled(), "--device", "77"}, 4, {"77"});
}

TEST_F(ErrorsTest, WhatCannotFitIsRefusedWithAdvice) {
  // 16 Mi positions of 2048 f32 elements: 128 GiB, and more than a buffer holds.
  expect_failure({"run", "-q", "-m", bundled(), "-p", "x", "-c", "16777216", "--kv", "f32"}, 6, {"-c "});
}

TEST_F(ErrorsTest, HelpAndVersionAreResults) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"run", "--help"},
                                                    {"help"},
                                                    {"help", "convert"},
                                                    {"bench", "--help"},
                                                    {"logits", "--help"},
                                                    {"info", "--help"},
                                                    {"devices", "--help"},
                                                    {"tokenize", "--help"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_LT(outcome.out.find("Example"), 5u) << outcome.out;  // an example comes first
  }
  const Outcome version = run({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out.find("regroup "), 0u);
}

}  // namespace
}  // namespace regroup::test
