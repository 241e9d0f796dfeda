// The JSON documents and files of every command: the documented keys, consistent numbers, nothing else on stdout.
#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "tests/cli/program.h"
#include "tests/support/npy.h"

namespace regroup::test {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::uint32_t>;

class DocumentsTest : public ProgramTest {};

TEST_F(DocumentsTest, Run) {
  const Json run =
      document({"run", "-m", bundled(), "-p", "It was a fine morning", "-n", "6", "-c", "100", "--temp", "0"});
  expect_keys(run, {"prompt_tokens", "tokens", "text", "stop_reason", "prefill_ms", "decode_ms", "tokens_per_second",
                    "kv_bytes", "kv_bytes_per_token", "groups", "device", "driver", "weights_bytes", "context"});
  EXPECT_EQ(run["tokens"].size(), 6u);
  EXPECT_EQ(run["decode_ms"].size(), 5u);  // the prefill yields the first
  EXPECT_EQ(run["stop_reason"], "length");
  EXPECT_EQ(run["groups"], Json({8, 8, 8, 8}));
  EXPECT_FALSE(run["text"].get<std::string>().empty());
  EXPECT_GT(run["tokens_per_second"].get<double>(), 0.0);
}

TEST_F(DocumentsTest, CacheBytesOfARunAreThoseOfInfo) {
  const Json info = document({"info", bundled()});
  for (const auto& [groups, kv] : {std::pair{"8", "f16"}, {"4", "q8_0"}, {"2", "q4_0"}, {"1", "f32"}}) {
    const Json run = document({"run", "-m", bundled(), "--tokens", "0,5", "-n", "2", "-c", "100", "--groups", groups,
                               "--kv", kv, "--temp", "0"});
    const Json* row = nullptr;
    for (const Json& candidate : info["kv_bytes_per_token"]) {
      if (candidate["groups"] == run["groups"]) row = &candidate;
    }
    ASSERT_NE(row, nullptr) << groups;
    EXPECT_EQ(run["kv_bytes_per_token"], (*row)[kv]);
    EXPECT_EQ(run["kv_bytes"].get<std::uint64_t>(), (*row)[kv].get<std::uint64_t>() * 128);  // 100, rounded to 32
  }
}

TEST_F(DocumentsTest, RunStreamsTheTextOfItsDocument) {
  const std::vector<std::string> arguments = {"run", "-m", bundled(), "-p", "Once upon a time",
                                              "-n",  "8",  "--temp",  "0"};
  const Json json = document(arguments);
  const Outcome plain = run(arguments);
  EXPECT_EQ(plain.code, 0);
  EXPECT_EQ(plain.out, json["text"].get<std::string>() + "\n");
  EXPECT_NE(plain.err, "");  // remarks go there
  std::vector<std::string> quiet = arguments;
  quiet.emplace_back("-q");
  EXPECT_EQ(run_program(quiet, {.cache = folder() / "cache"}).err, "");
}

TEST_F(DocumentsTest, BracketsArePartOfAPrompt) {
  for (const char* text : {"[INST] Hello, you [/INST]", "[]", "[a,b]"}) {
    const Json run = document({"run", "-p", text, "-n", "1", "-c", "64", "--stop", "[x]"});
    EXPECT_EQ(run["prompt_tokens"], document({"tokenize", "-p", text})["tokens"]) << text;
  }
}

TEST_F(DocumentsTest, SeveralPromptsAreDecodedTogether) {
  const std::vector<std::string> common = {"run", "-m", bundled(), "-n", "6", "-c", "64", "--temp", "0", "--kv", "f32"};
  const auto with = [&](const std::vector<std::string>& prompts) {
    std::vector<std::string> arguments = common;
    for (const std::string& prompt : prompts) arguments.insert(arguments.end(), {"-p", prompt});
    return arguments;
  };
  const std::vector<std::string> prompts = {"Once upon a time", "It was a fine morning and the", "The"};
  const Json together = document(with(prompts));
  ASSERT_EQ(together["sequences"].size(), 3u);
  EXPECT_EQ(together["tokens"], together["sequences"][0]["tokens"]);
  expect_keys(together, {"prompt_tokens", "text", "stop_reason", "kv_bytes", "groups", "device", "context"});
  std::string texts;
  for (std::size_t s = 0; s < prompts.size(); ++s) {
    const Json alone = document(with({prompts[s]}));
    const Json& one = together["sequences"][s];
    for (const char* key : {"prompt_tokens", "tokens", "text", "stop_reason"}) EXPECT_EQ(one[key], alone[key]) << s;
    texts += fmt::format("{}=== {}: {}\n{}\n", s == 0 ? "" : "\n", s + 1, prompts[s], alone["text"].get<std::string>());
    EXPECT_EQ(together["kv_bytes"], 3 * alone["kv_bytes"].get<std::uint64_t>());
  }
  EXPECT_EQ(run(with(prompts)).out, texts);
}

TEST_F(DocumentsTest, SameSeedSameTokens) {
  const auto tokens = [&](const char* seed) {
    return document({"run", "-m", bundled(), "-p", "Once", "-n", "12", "--temp", "1", "-s", seed})["tokens"];
  };
  const Json first = tokens("11");
  EXPECT_EQ(tokens("11"), first);
  EXPECT_NE(tokens("12"), first);
}

TEST_F(DocumentsTest, StopTextEndsTheRunAndIsNotPrinted) {
  const std::vector<std::string> arguments = {"run", "-m", bundled(), "-p", "Once upon a time",
                                              "-n",  "24", "--temp",  "0"};
  const auto text = document(arguments)["text"].get<std::string>();
  const std::string stop = text.substr(text.size() / 2, 3);
  std::vector<std::string> stopped = arguments;
  stopped.insert(stopped.end(), {"--stop", stop});
  const Json json = document(stopped);
  EXPECT_EQ(json["stop_reason"], "stop_text");
  EXPECT_EQ(json["text"], text.substr(0, text.find(stop)));
}

TEST_F(DocumentsTest, TokenizeThereAndBack) {
  const std::string text = "Caf\xc3\xa9, \"quoted\"\nand a new line";
  const Json json = document({"tokenize", "-m", bundled(), "-p", text});
  expect_keys(json, {"tokens", "pieces"});
  ASSERT_EQ(json["tokens"].size(), json["pieces"].size());
  EXPECT_EQ(json["tokens"][0], 0);  // <s> opens every text
  std::string ids;
  for (std::size_t i = 1; i < json["tokens"].size(); ++i) {
    ids += (i > 1 ? "," : "") + std::to_string(json["tokens"][i].get<std::uint32_t>());
  }
  EXPECT_EQ(document({"tokenize", "-m", bundled(), "--decode", ids})["text"], text);
  const Json from_run = document({"run", "-m", bundled(), "-p", text, "-n", "1", "--temp", "0"});
  EXPECT_EQ(from_run["prompt_tokens"], json["tokens"]);
}

TEST_F(DocumentsTest, LogitsWritesTheArray) {
  const std::string out = file("logits.npy").string();
  const Json json = document({"logits", "-m", bundled(), "--tokens", "0,17,300,2047,9", "-o", out});
  expect_keys(json, {"shape", "file", "groups", "device", "driver"});
  EXPECT_EQ(json["shape"], Json({5, 2048}));
  EXPECT_EQ(json["file"], out);
  const NpyArray array = read_npy(out);
  EXPECT_EQ(array.shape, (std::vector<std::uint64_t>{5, 2048}));
  // The likeliest token after the last position is what a greedy run chooses.
  const auto last = array.values.end() - 2048;
  const auto best = static_cast<std::uint32_t>(std::max_element(last, array.values.end()) - last);
  const Json run =
      document({"run", "-m", bundled(), "--tokens", "0,17,300,2047,9", "-n", "1", "--temp", "0", "--kv", "f32"});
  EXPECT_EQ(run["tokens"], Json(Ids{best}));
}

// A short text from the recorded evaluation of transformers.
nlohmann::json recorded_evaluation() {
  std::ifstream in(REGROUP_SOURCE_DIR "/tests/data/evaluation.json");
  return nlohmann::json::parse(in);
}

TEST_F(DocumentsTest, EvalAgreesWithTransformers) {
  const Json recorded = recorded_evaluation();
  std::ofstream(file("text.txt"), std::ios::binary) << recorded["text"].get<std::string>();
  const std::string chunk = std::to_string(recorded["chunk_tokens"].get<int>());
  const Json json = document({"eval", "-q", "-m", bundled(), "-f", file("text.txt"), "-c", chunk, "--groups", "8",
                              "--groups", "4", "--groups", "1"});
  expect_keys(json, {"perplexity", "kl_mean", "kl_p99", "same_top", "tokens", "baseline", "rows", "chunks"});
  ASSERT_EQ(json["rows"].size(), recorded["results"].size());
  for (std::size_t i = 0; i < json["rows"].size(); ++i) {
    const Json& row = json["rows"][i];
    const Json& expected = recorded["results"][i];
    expect_keys(row, {"groups", "method", "perplexity", "kl_mean", "kl_p99", "same_top", "tokens"});
    EXPECT_EQ(row["groups"][0], expected["groups"]);
    EXPECT_EQ(row["tokens"], expected["tokens"]);
    const double perplexity = expected["perplexity"], divergence = expected["kl_mean"];
    EXPECT_NEAR(row["perplexity"].get<double>(), perplexity, 1e-4 * perplexity);
    EXPECT_NEAR(row["kl_mean"].get<double>(), divergence, 1e-3 * divergence);
  }
  EXPECT_EQ(json["kl_mean"], 0.0);
  EXPECT_EQ(json["same_top"], 1.0);
  EXPECT_EQ(json["perplexity"], json["baseline"]["perplexity"]);
}

TEST_F(DocumentsTest, EvalAgainstAnotherModel) {
  std::ofstream(file("text.txt"), std::ios::binary) << recorded_evaluation()["text"].get<std::string>().substr(0, 300);
  // The same file opened a second time predicts the same.
  const Json same = document({"eval", "-q", "-m", bundled(), "-f", file("text.txt"), "--baseline", bundled()});
  EXPECT_EQ(same["kl_mean"], 0.0);
  EXPECT_EQ(same["same_top"], 1.0);
  // A quantised cache costs a little.
  const Json cache = document({"eval", "-q", "-m", bundled(), "-f", file("text.txt"), "--kv", "q4_0"});
  EXPECT_GT(cache["kl_mean"].get<double>(), 0.0);
  EXPECT_LT(cache["kl_mean"].get<double>(), 0.5);
}

TEST_F(DocumentsTest, MergedLayersAreKeptForTheSecondRun) {
  const std::vector<std::string> arguments = {"run", "-m",       bundled(),  "-p", "Once upon a time", "-n", "8",
                                              "-s",  "1",        "--temp",   "0",  "--groups",         "2",  "-c",
                                              "64",  "--method", "mean-norm"};
  const Outcome first = run(arguments);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_NE(first.err.find("merging 4 layers by mean-norm"), std::string::npos) << first.err;
  const Outcome second = run(arguments);
  EXPECT_EQ(second.code, 0);
  EXPECT_EQ(second.err.find("merging"), std::string::npos) << second.err;
  EXPECT_EQ(second.out, first.out);
  // Every other method says what it costs, and is a different model.
  std::vector<std::string> pooled = arguments;
  pooled.back() = "mean";
  const Outcome mean = run(pooled);
  EXPECT_NE(mean.err.find("costs much quality"), std::string::npos) << mean.err;
  const Json eval =
      document({"eval", "-q", "-m", bundled(), "-f", REGROUP_SOURCE_DIR "/tests/data/golden/garden-8.json", "--groups",
                "2", "--method", "mean-norm"});
  EXPECT_EQ(eval["method"], "mean-norm");
  EXPECT_GT(eval["kl_mean"].get<double>(), 0.0);
}

TEST_F(DocumentsTest, SweepHasARowForEverySetting) {
  std::ofstream(file("text.txt"), std::ios::binary) << recorded_evaluation()["text"].get<std::string>().substr(0, 300);
  const std::string csv = file("sweep.csv"), svg = file("sweep.svg");
  const Json json = document({"sweep",    "-q",  "-m",        bundled(),    "-f", file("text.txt"),
                              "--groups", "8,2", "--methods", "mean,first", "-d", "0,40",
                              "-n",       "2",   "-p",        "8",          "-r", "1",
                              "--csv",    csv,   "--svg",     svg});
  // All heads once, two groups by each method.
  ASSERT_EQ(json["rows"].size(), 3u);
  const std::pair<int, const char*> expected[] = {{8, "none"}, {2, "mean"}, {2, "first"}};
  for (std::size_t i = 0; i < 3; ++i) {
    const Json& row = json["rows"][i];
    expect_keys(row, {"groups", "method", "perplexity", "kl_mean", "kl_p99", "same_top", "tokens", "ms_per_token",
                      "prefill_tokens_per_second", "kv_bytes_per_token"});
    EXPECT_EQ(row["groups"], Json(std::vector<int>(4, expected[i].first)));
    EXPECT_EQ(row["method"], expected[i].second);
    ASSERT_EQ(row["ms_per_token"].size(), 2u);
    EXPECT_EQ(row["ms_per_token"][1]["depth"], 40);
    for (const Json& time : row["ms_per_token"]) EXPECT_GT(time["ms"].get<double>(), 0.0);
    EXPECT_GT(row["prefill_tokens_per_second"].get<double>(), 0.0);
  }
  EXPECT_EQ(json["rows"][0]["kl_mean"].get<double>() < 1e-3, true);
  EXPECT_GT(json["rows"][1]["kl_mean"].get<double>(), 0.1);
  EXPECT_EQ(json["rows"][0]["kv_bytes_per_token"].get<int>(), 4 * json["rows"][1]["kv_bytes_per_token"].get<int>());
  std::ifstream table(csv);
  std::string line;
  std::vector<std::string> lines;
  while (std::getline(table, line)) lines.push_back(line);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[0].starts_with("groups,method,perplexity,kl_mean"));
  EXPECT_TRUE(lines[2].starts_with("\"2\",mean,"));
  std::stringstream picture;
  picture << std::ifstream(svg).rdbuf();
  EXPECT_TRUE(picture.str().starts_with("<svg"));
  for (const char* part : {"KV groups", "ms per token", "perplexity", "40 tokens cached", "first", "</svg>"}) {
    EXPECT_NE(picture.str().find(part), std::string::npos) << part;
  }
}

TEST_F(DocumentsTest, Info) {
  const Json json = document({"info", bundled()});
  expect_keys(json, {"path", "kind", "architecture", "name", "parameters", "file_bytes", "layers", "hidden",
                     "feed_forward", "vocabulary", "query_heads", "kv_heads", "head_dim", "context_length",
                     "bytes_by_format", "kv_bytes_per_token", "tensors"});
  EXPECT_EQ(json["architecture"], "llama");
  EXPECT_EQ(json["parameters"], 3148032);
  EXPECT_EQ(json["file_bytes"], std::filesystem::file_size(bundled()));
  EXPECT_EQ(json["kv_heads"], Json({8, 8, 8, 8}));
  EXPECT_EQ(json["kv_bytes_per_token"].size(), 4u);  // 8, 4, 2 and 1
  std::uint64_t bytes = 0, by_format = 0;
  for (const Json& tensor : json["tensors"]) bytes += tensor["bytes"].get<std::uint64_t>();
  for (const Json& format : json["bytes_by_format"]) by_format += format.get<std::uint64_t>();
  EXPECT_EQ(bytes, by_format);
}

TEST_F(DocumentsTest, Devices) {
  const Json json = document({"devices"});
  ASSERT_FALSE(json["devices"].empty());
  for (const Json& device : json["devices"]) {
    expect_keys(device, {"index", "name", "vendor", "type", "driver", "uuid", "memory_bytes", "usable", "refusals",
                         "features", "kernels"});
    EXPECT_EQ(device["usable"].get<bool>(), device["refusals"].empty());
  }
  const Json masked = document({"devices", "--require-features", "minimum"});
  EXPECT_EQ(masked["devices"][0]["features"]["fp16"], false);
  EXPECT_EQ(masked["devices"][0]["features"]["max_storage_buffers"], 4);
  EXPECT_NE(run({"devices"}).out.find(json["devices"][0]["name"].get<std::string>()), std::string::npos);
}

class BenchTest : public ProgramTest {
 protected:
  static std::vector<std::string> bench(const char* format) {
    return {"bench", "-q", "-m", bundled(), "-p", "8", "-n", "4", "-r", "1", "--groups", "8,2", "-o", format};
  }
  static void check(const Json& row) {
    expect_keys(row, {"n_prompt", "n_gen", "n_depth", "avg_ts", "stddev_ts", "avg_ns", "kv_bytes", "weights_bytes",
                      "bandwidth_fraction"});
    EXPECT_TRUE((row["n_prompt"] == 8 && row["n_gen"] == 0) || (row["n_prompt"] == 0 && row["n_gen"] == 4)) << row;
    EXPECT_GT(row["avg_ts"].get<double>(), 0.0);
  }
};

TEST_F(BenchTest, Json) {
  const nlohmann::json json = document(bench("json"));
  ASSERT_EQ(json["rows"].size(), 4u);
  for (const auto& row : json["rows"]) {
    check(row);
    EXPECT_EQ(row["samples_ts"].size(), 1u);
  }
  EXPECT_EQ(json["rows"][0]["kv_bytes"].get<std::uint64_t>(), 4 * json["rows"][2]["kv_bytes"].get<std::uint64_t>());
}

TEST_F(BenchTest, JsonLines) {
  const Outcome outcome = run(bench("jsonl"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  std::istringstream lines(outcome.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) check(nlohmann::json::parse(line));
  EXPECT_EQ(count, 4);
}

TEST_F(BenchTest, CommaSeparatedAndMarkdown) {
  const Outcome csv = run(bench("csv"));
  ASSERT_EQ(csv.code, 0) << csv.err;
  std::istringstream lines(csv.out);
  std::vector<std::string> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(line);
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_NE(rows[0].find(",n_prompt,n_gen,n_depth,n_sequences,groups,"), std::string::npos);
  const auto commas = [](const std::string& line) {
    bool quoted = false;
    return std::count_if(line.begin(), line.end(), [&](char c) {
      if (c == '"') quoted = !quoted;
      return c == ',' && !quoted;
    });
  };
  for (const std::string& row : rows) EXPECT_EQ(commas(row), commas(rows[0])) << row;
  EXPECT_NE(rows[1].find(",\"8\","), std::string::npos) << rows[1];
  EXPECT_NE(rows[4].find(",\"2\","), std::string::npos) << rows[4];
  EXPECT_EQ(csv.err, "");

  const Outcome table = run(bench("md"));
  ASSERT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(table.out.find("| model |"), 0u);
  for (const char* cell : {"| pp8 |", "| tg4 |", "| 8 |", "| 2 |"}) {
    EXPECT_NE(table.out.find(cell), std::string::npos) << cell;
  }
}

TEST_F(BenchTest, SeveralSequencesOfASyntheticModel) {
  const nlohmann::json json = document(
      {"bench", "-q", "-m", "synthetic:hidden=64,heads=4,kv=2,head_dim=32,ff=96,layers=2,vocab=96,type=q4_0", "-p", "0",
       "-n", "2", "-d", "0,40", "-r", "2", "--sequences", "1,3", "--pg", "4,2", "--kv", "f32", "--kernel-times"});
  // One sequence: tg2 and pp4+tg2 at both depths; three sequences: tg2 at both depths.
  ASSERT_EQ(json["rows"].size(), 6u);
  for (const auto& row : json["rows"]) {
    EXPECT_EQ(row["samples_ns"].size(), 2u);
    EXPECT_EQ(row["groups"], nlohmann::json({2, 2}));
    EXPECT_EQ(row["kv_bytes_per_token"], 2 * 2 * 2 * 32 * 4);
    // 43 or 47 positions, rounded to 64.
    EXPECT_EQ(row["kv_bytes"].get<std::uint64_t>(), 1024u * 64 * row["n_sequences"].get<std::uint64_t>());
    EXPECT_GT(row["gigaflops"].get<double>(), 0.0);
    EXPECT_GT(row["scratch_bytes"].get<std::uint64_t>(), 0u);
    if (row.contains("kernel_times")) {
      EXPECT_GE(row["kernel_times"].size(), 4u);
      for (const auto& kernel : row["kernel_times"]) EXPECT_GE(kernel["dispatches"].get<int>(), 1);
    }
  }
  EXPECT_EQ(json["rows"][5]["n_sequences"], 3);
  EXPECT_EQ(json["rows"][5]["n_depth"], 40);
}

TEST_F(BenchTest, ComparesTwoFiles) {
  const auto write = [&](const char* name, const char* speeds, double mean) {
    const std::string path = folder() / name;
    std::ofstream(path) << R"({"rows": [{"n_prompt": 0, "n_gen": 8, "groups": [4], "type_k": "f16", "avg_ts": )" << mean
                        << R"(, "stddev_ts": 1, "samples_ts": )" << speeds << "}]}";
    return path;
  };
  const std::string before = write("before.json", "[99, 100, 101]", 100);
  const std::string faster = write("faster.json", "[149, 150, 151]", 150);
  const std::string same = write("same.json", "[98, 101, 103]", 100.7);
  const nlohmann::json up = document({"bench", "--compare", before, faster});
  ASSERT_EQ(up["rows"].size(), 1u);
  EXPECT_NEAR(up["rows"][0]["percent"].get<double>(), 50.0, 1e-9);
  EXPECT_EQ(up["rows"][0]["significant"], true);
  EXPECT_EQ(document({"bench", "--compare", before, same})["rows"][0]["significant"], false);
  const Outcome text = run({"bench", "--compare", before, faster});
  EXPECT_NE(text.out.find("+50.0 %"), std::string::npos) << text.out;
}

TEST_F(BenchTest, DrawsFigure6) {
  const std::string svg = folder() / "figure6.svg";
  const nlohmann::json json = document({"bench", "-q", "--figure6", svg, "-m",
                                        "synthetic:hidden=64,heads=4,head_dim=32,ff=64,layers=1,vocab=64", "-d", "40",
                                        "-n", "1", "-r", "1", "--sequences", "1,2"});
  ASSERT_EQ(json["rows"].size(), 6u);  // G 4, 2, 1 for one and two sequences
  for (const auto& row : json["rows"]) {
    EXPECT_GT(row["relative_to_mha"].get<double>(), 0.0);
    if (row["groups"] == 4) EXPECT_EQ(row["relative_to_mha"], 1.0);
  }
  std::ifstream in(svg);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_NE(text.str().find("paper: T5 XXL"), std::string::npos);
  EXPECT_NE(text.str().find("2 x 40 positions"), std::string::npos);
}

class InterruptTest : public ProgramTest {};

TEST_F(InterruptTest, RowsThatWereMeasuredStand) {
  const Outcome outcome =
      run_program({"bench", "-q", "-m", bundled(), "-p", "8", "-n", "100000", "-r", "1", "-o", "jsonl"},
                  {.cache = folder() / "cache", .interrupt_after_output = true});
  EXPECT_EQ(outcome.code, 130) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1) << outcome.out;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["n_prompt"], 8);
}

TEST_F(InterruptTest, CtrlCKeepsWhatWasProduced) {
  const Outcome outcome = run_program({"run", "-m", bundled(), "-p", "Once upon a time", "-n", "1000000", "-c", "60000",
                                       "--temp", "1", "--groups", "1"},
                                      {.cache = folder() / "cache", .interrupt_after_output = true});
  EXPECT_EQ(outcome.code, 130) << outcome.err;
  EXPECT_FALSE(outcome.out.empty());
  EXPECT_EQ(outcome.out.back(), '\n');
  EXPECT_NE(outcome.err.find("stop: interrupted"), std::string::npos) << outcome.err;
  // A hang, not a speed: how quickly it stops depends on what else the machine does.
  EXPECT_LT(outcome.seconds_after_signal, 30.0);
}

}  // namespace
}  // namespace regroup::test
