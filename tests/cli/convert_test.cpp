// regroup convert as a user meets it: documents, refusals, a full disk, a kill and the same command again.
#include <sys/resource.h>

#include <fstream>

#include "tests/cli/program.h"

namespace regroup::test {
namespace {

std::string checkpoint(const std::string& relative) {
  return REGROUP_SOURCE_DIR "/tests/data/checkpoints/" + relative;
}

class ConvertProgramTest : public ProgramTest {};

TEST_F(ConvertProgramTest, DocumentHasWhatOthersRead) {
  const auto out = file("mean.gguf").string();
  const auto json = document(
      {"convert", "-i", checkpoint("gguf-llama-f32/model.gguf"), "-o", out, "--groups", "1", "--method", "mean"});
  expect_keys(json, {"layers", "bytes_in", "bytes_out", "seconds", "peak_memory_bytes", "peak_device_bytes"});
  ASSERT_EQ(json["layers"].size(), 2u);
  expect_keys(json["layers"][0], {"groups", "method", "error"});
  EXPECT_EQ(json["layers"][1]["groups"], 1);
  EXPECT_EQ(json["layers"][1]["method"], "mean");
  EXPECT_GT(json["layers"][1]["error"].get<double>(), 0.0);
  EXPECT_EQ(json["bytes_out"].get<std::uint64_t>(), std::filesystem::file_size(out));
  EXPECT_EQ(json["kv_bytes_per_token"].get<std::uint64_t>() * 2, json["kv_bytes_per_token_before"]);
  const auto info = document({"info", out});
  EXPECT_EQ(info["kv_heads"], (std::vector<int>{1, 1}));
  EXPECT_EQ(info["converted"]["source_name"], "model.gguf");
  EXPECT_EQ(info["converted"]["method"], "mean");
  EXPECT_EQ(info["converted"]["source_checksum"].get<std::string>().size(), 32u);
  EXPECT_NE(run({"info", out}).out.find("converted by mean from model.gguf"), std::string::npos);
  EXPECT_TRUE(document({"info", checkpoint("gguf-llama-f32/model.gguf")})["converted"].is_null());
  const std::string folder = file("out").string();
  document({"convert", "-i", out, "-o", folder, "--groups", "1", "--method", "first"});
  EXPECT_EQ(document({"info", folder})["converted"]["source_name"], "mean.gguf");
}

TEST_F(ConvertProgramTest, MistakesAreUsageErrors) {
  const auto out = file("never.gguf").string();
  const std::string gqa = checkpoint("llama-gqa-9-3");
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--groups", "2"},
                                                {"--groups", "0"},
                                                {"--groups", "1,1"},
                                                {"--groups", "budget:x"},
                                                {"--groups", "1", "--method", "magic"},
                                                {"--groups", "1", "--type", "q9"},
                                                {"--groups", "1", "--method", "mean", "--grouping", "measured"}}) {
    std::vector<std::string> arguments = {"convert", "-i", gqa, "-o", out};
    arguments.insert(arguments.end(), wrong.begin(), wrong.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_FALSE(outcome.err.empty());
    EXPECT_FALSE(std::filesystem::exists(out));
  }
  EXPECT_EQ(run({"convert", "-i", gqa, "-o", gqa, "--groups", "1", "--method", "mean", "--force"}).code, 2);
  // As for every command: a path that is not there fails, it is no mistake of usage.
  EXPECT_EQ(run({"convert", "-i", file("absent").string(), "-o", out, "--groups", "1"}).code, 1);
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(ConvertProgramTest, DryRunWritesNothing) {
  const auto out = file("dry.gguf");
  for (const char* method : {"mean", "auto"}) {
    const auto json = document({"convert", "-i", checkpoint("gguf-llama-f32/model.gguf"), "-o", out.string(),
                                "--groups", "1", "--method", method, "--dry-run"});
    EXPECT_EQ(json["dry_run"], true);
    EXPECT_EQ(json["layers"][0]["groups"], 1);
    EXPECT_GT(json["bytes_out"].get<std::uint64_t>(), 0u);
    EXPECT_FALSE(std::filesystem::exists(out));
  }
}

// A text of the user's own: read with the model's tokenizer, named in the file, and other text gives other layers.
TEST_F(ConvertProgramTest, CalibratesOnAFile) {
  const std::string model = REGROUP_SOURCE_DIR "/assets/regroup-3m.gguf";
  const auto text = file("text.txt"), other = file("other.txt"), few = file("few.txt");
  std::ifstream source(REGROUP_SOURCE_DIR "/assets/validation.txt");
  std::string words(4000, ' ');
  source.read(words.data(), 4000);
  std::ofstream(text) << words.substr(0, 2000);
  std::ofstream(other) << words.substr(2000);
  std::ofstream(few) << words.substr(0, 20);
  const auto convert = [&](const std::filesystem::path& calibrate) {
    return std::vector<std::string>{"convert",
                                    "-i",
                                    model,
                                    "-o",
                                    (calibrate.string() + ".gguf"),
                                    "--groups",
                                    "4,8,8,8",
                                    "--method",
                                    "svd",
                                    "--grouping",
                                    "contiguous",
                                    "--calibrate",
                                    calibrate.string(),
                                    "--calibration-tokens",
                                    "512"};
  };
  const auto json = document(convert(text));
  EXPECT_EQ(json["layers"][0]["method"], "svd");
  const double error = json["layers"][0]["error"].get<double>();
  EXPECT_GT(error, 0.0);
  EXPECT_LT(error, 1.0);
  EXPECT_NE(document(convert(other))["layers"][0]["error"].get<double>(), error);
  // A short text is told, and the file says what was used of it.
  std::vector<std::string> long_one = convert(text);
  long_one.back() = "65536";
  long_one.push_back("--force");
  const auto notes = document(long_one)["notes"];
  ASSERT_FALSE(notes.empty());
  EXPECT_NE(notes[0].get<std::string>().find("the calibration text is short"), std::string::npos) << notes;
  const std::string origin = document({"info", text.string() + ".gguf"})["converted"]["calibration"];
  EXPECT_EQ(origin.find("65536"), std::string::npos) << origin;
  const Outcome outcome = run(convert(few));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("the calibration text has"), std::string::npos) << outcome.err;
}

// A limit on file sizes ends writing as a full disk does: the system refuses in the middle.
TEST_F(ConvertProgramTest, FullDiskLeavesNothing) {
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 20000;
  signal(SIGXFSZ, SIG_IGN);  // inherited by the program: writes fail instead of ending it
  setrlimit(RLIMIT_FSIZE, &small);
  const Outcome gguf = run({"convert", "-i", checkpoint("gguf-llama-f32/model.gguf"), "-o", file("full.gguf").string(),
                            "--groups", "1", "--method", "mean"});
  const Outcome directory = run(
      {"convert", "-i", checkpoint("llama-mha-4-4"), "-o", file("full").string(), "--groups", "1", "--method", "mean"});
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_DFL);
  for (const Outcome* outcome : {&gguf, &directory}) {
    EXPECT_EQ(outcome->code, 1) << outcome->err;
    EXPECT_NE(outcome->err.find("cannot write"), std::string::npos) << outcome->err;
  }
  EXPECT_FALSE(std::filesystem::exists(file("full.gguf")));
  EXPECT_FALSE(std::filesystem::exists(file("full")));
}

}  // namespace
}  // namespace regroup::test
