// The viewer as a user without a display runs it: scripts in, reports and pictures out, under the validation layers.
#include <stb_image.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/cli/program.h"

namespace regroup::test {
namespace {

using Json = nlohmann::json;
constexpr const char* kPrompt = "The little girl opened the door";

class HeadlessDeviceTest : public ProgramTest {
 protected:
  static Outcome view(const std::vector<std::string>& arguments) {
    return run_program(arguments, {.cache = folder() / "cache", .program = REGROUP_VIEW});
  }
  static std::string read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  // Runs greedy steps on a small screen and returns the report; nothing may be said by the validation layers.
  static Json play(const Json& steps, std::vector<std::string> arguments = {}, int code = 0) {
    Json all = Json::array({{{"sampling", {{"temperature", 0}}}}});
    all.insert(all.end(), steps.begin(), steps.end());
    std::ofstream(file("steps.json")) << all;
    const std::vector<std::string> fixed = {"--headless", "--validate", "--json",          "--size",
                                            "800x600",    "--script",   file("steps.json")};
    arguments.insert(arguments.end(), fixed.begin(), fixed.end());
    const Outcome outcome = view(arguments);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    const Json report = Json::parse(outcome.out, nullptr, false);
    EXPECT_TRUE(report.is_object()) << outcome.out << outcome.err;
    return report;
  }
};

TEST_F(HeadlessDeviceTest, AgreesToTheByteWithTheCommandLineAndShrinksWithG) {
  const Json report = play({{{"prompt", kPrompt}},
                            {{"groups", 2}},
                            {{"run", 10}},
                            {{"report", "two"}},
                            {{"groups", 8}},
                            {{"report", "eight"}},
                            {{"run", 3}},
                            {{"groups", 4}},
                            {{"mode", "pool"}},
                            {{"groups", 1}},
                            {{"run", 3}},
                            {{"report", "one"}}});
  const Json command = document({"run", "-p", kPrompt, "-n", "10", "--temp", "0", "--groups", "2", "-q"});
  const Json& two = report["reports"][0];
  for (const char* key : {"prompt_tokens", "tokens", "kv_bytes", "kv_bytes_per_token", "groups", "device"}) {
    EXPECT_EQ(two[key], command[key]) << key;
  }
  EXPECT_EQ(two["kv_bytes_predicted"], command["kv_bytes"]);
  EXPECT_EQ(report["reports"][1]["kv_bytes"].get<std::uint64_t>(), 4 * two["kv_bytes"].get<std::uint64_t>());
  EXPECT_EQ(2 * report["reports"][2]["kv_bytes"].get<std::uint64_t>(), two["kv_bytes"].get<std::uint64_t>());
  EXPECT_EQ(report["tokens"].size(), 16u);
  EXPECT_GT(report["kl_mean"].get<double>(), 0.0);
  EXPECT_EQ(report["similar_layers"], report["groups"].size());
  // A row for every position that was fed.
  EXPECT_EQ(report["attention_rows"].get<std::size_t>() + 1, report["prompt_tokens"].size() + 16);
}

TEST_F(HeadlessDeviceTest, ABrokenFileLeavesTheModelOpen) {
  std::ofstream(file("broken.gguf")) << "GGUF but not really";
  const Json report =
      play({{{"prompt", kPrompt}}, {{"run", 3}}, {{"open", file("broken.gguf")}}, {{"report", "broken"}}, {{"run", 2}}},
           {}, 3);
  const Json& broken = report["reports"][0];
  EXPECT_TRUE(broken["message_is_error"].get<bool>());
  EXPECT_NE(broken["message"].get<std::string>().find("broken.gguf"), std::string::npos) << broken["message"];
  EXPECT_EQ(broken["tokens"].size(), 3u);
  EXPECT_EQ(report["tokens"].size(), 5u);
}

TEST_F(HeadlessDeviceTest, ALostDeviceIsOpenedAgainAndTheTextGoesOn) {
  const Json straight = play({{{"prompt", kPrompt}}, {{"groups", 4}}, {{"run", 8}}});
  const Json lost = play({{{"prompt", kPrompt}}, {{"groups", 4}}, {{"run", 4}}, {{"lose_device", true}}, {{"run", 4}}});
  EXPECT_EQ(lost["tokens"], straight["tokens"]);
  EXPECT_EQ(lost["device_rebuilt"], 1);
  EXPECT_EQ(lost["kv_bytes"], straight["kv_bytes"]);
}

TEST_F(HeadlessDeviceTest, AnUnrelatedFailureDoesNotStopTheStream) {
  std::ofstream(file("other.json")) << R"({"kind": "something"})";
  std::ofstream(file("broken.gguf")) << "GGUF but not really";
  constexpr std::size_t kTokens = 24;
  const Json failing[] = {{{"save_trace", "/no/such/folder/t.json"}},
                          {{"drop", {file("other.json").string()}}},
                          {{"drop", {file("broken.gguf").string()}}},
                          {{"groups", 3}},
                          {{"method", "nonsense"}},
                          {{"cache", "f16"}, {"positions", 4000000000u}}};
  Json steps = Json::array({{{"groups", 2}}});  // so that a shadow pass can be interrupted
  for (const Json& step : failing) {
    steps.insert(steps.end(),
                 {{{"prompt", kPrompt}}, {{"start", kTokens}}, {{"wait_for_tokens", 3}}, step, {{"report", "x"}}});
  }
  steps.insert(steps.end(), {{{"cache", "f16"}, {"positions", 64}},
                             {{"run", 64}},
                             {{"report", "full"}},
                             {{"save_trace", "/no/such/folder/full.json"}}});
  const Json report = play(steps, {}, 1);
  EXPECT_EQ(report["errors"].size(), std::size(failing) + 1) << report["errors"];
  for (std::size_t i = 0; i < std::size(failing); ++i) {
    const Json& after = report["reports"][i];
    EXPECT_EQ(after["tokens"].size(), kTokens) << failing[i];
    EXPECT_EQ(after["phase"], "paused") << failing[i];
    EXPECT_TRUE(after["message_is_error"].get<bool>()) << failing[i];
  }
  EXPECT_EQ(report["reports"][std::size(failing)]["phase"], "finished");
  EXPECT_EQ(report["phase"], "finished");
}

TEST_F(HeadlessDeviceTest, RewindsToAnotherToken) {
  const Json report =
      play({{{"prompt", kPrompt}}, {{"run", 6}}, {{"report", "first"}}, {{"rewind", {9, 100}}}, {{"run", 3}}});
  const auto first = report["reports"][0]["tokens"].get<std::vector<std::uint32_t>>();
  const auto after = report["tokens"].get<std::vector<std::uint32_t>>();
  const std::size_t at = 9 - report["prompt_tokens"].size();
  ASSERT_EQ(after.size(), at + 4);
  EXPECT_TRUE(std::equal(after.begin(), after.begin() + static_cast<std::ptrdiff_t>(at), first.begin()));
  EXPECT_EQ(after[at], 100u);
  // What follows is what the command line decodes behind the same tokens.
  std::string ids;
  for (const auto& id : report["prompt_tokens"]) ids += std::to_string(id.get<std::uint32_t>()) + ",";
  for (std::size_t i = 0; i <= at; ++i) ids += std::to_string(after[i]) + (i < at ? "," : "");
  const Json command = document({"run", "--tokens", ids, "-n", "3", "--temp", "0", "-q"});
  EXPECT_EQ(command["tokens"], Json(std::vector<std::uint32_t>(after.end() - 3, after.end())));
}

TEST_F(HeadlessDeviceTest, TracesAreReplayedAndCompared) {
  const Json saved = play({{{"fingerprints", true}},
                           {{"prompt", kPrompt}},
                           {{"run", 8}},
                           {{"save_trace", file("eight.json")}},
                           {{"reset", true}},
                           {{"groups", 2}},
                           {{"run", 8}},
                           {{"save_trace", file("two.json")}}});
  const Json same = play(Json::array(), {file("two.json"), file("two.json")});
  EXPECT_EQ(same["phase"], "replay");
  EXPECT_EQ(same["tokens"], saved["tokens"]);
  EXPECT_EQ(same["kv_bytes"], saved["kv_bytes"]);
  EXPECT_NE(same["difference"].get<std::string>().find("tokens agree"), std::string::npos) << same["difference"];
  const Json other = play(Json::array(), {file("eight.json"), file("two.json")});
  const std::string difference = other["difference"];
  EXPECT_NE(difference.find("first layer that differs is layer 0"), std::string::npos) << difference;
}

TEST_F(HeadlessDeviceTest, PicturesAndPlotsAreSaved) {
  const Json report = play({{{"prompt", kPrompt}},
                            {{"groups", 2}},
                            {{"run", 5}},
                            {{"measure", 2}},
                            {{"export", "memory"}, {"format", "csv"}, {"path", file("memory.csv")}},
                            {{"export", "latency"}, {"figure", "time-against-g"}, {"path", file("g.svg")}},
                            {{"export", "quality"}, {"format", "png"}, {"path", file("quality.png")}},
                            {{"theme", "light"}},
                            {{"zoom", 2.0}},
                            {{"size", {1000, 700}}},
                            {{"screenshot", file("light.png")}}},
                           {"--screenshot", file("last.png")});
  EXPECT_EQ(report["sweep"].size(), 4u);
  EXPECT_EQ(report["phase"], "paused");
  int width = 0, height = 0, channels = 0;
  unsigned char* pixels = stbi_load(file("light.png").c_str(), &width, &height, &channels, 3);
  ASSERT_NE(pixels, nullptr);
  EXPECT_EQ(width, 1000);
  EXPECT_EQ(height, 700);
  std::set<std::uint32_t> colours;
  double brightness = 0;
  for (int i = 0; i < width * height; ++i) {
    colours.insert(pixels[i * 3] << 16 | pixels[i * 3 + 1] << 8 | pixels[i * 3 + 2]);
    brightness += pixels[i * 3 + 1];
  }
  stbi_image_free(pixels);
  EXPECT_GT(colours.size(), 200u) << "a picture with text and plots has many colours";
  EXPECT_GT(brightness / (width * height), 180.0) << "the light theme is light";
  EXPECT_GT(std::filesystem::file_size(file("last.png")), 5000u);
  EXPECT_GT(std::filesystem::file_size(file("quality.png")), 500u);
  const std::string svg = read(file("g.svg"));
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n")) << svg.substr(0, 200);
  EXPECT_NE(svg.find("Time per token against G"), std::string::npos);
  // The bars add up to the bytes that were reported.
  std::istringstream csv(read(file("memory.csv")));
  std::string line;
  std::getline(csv, line);
  double bytes = 0;
  while (std::getline(csv, line)) {
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; i < 3; ++i) std::getline(fields, field, ',');
    bytes += std::stod(field);
  }
  EXPECT_EQ(bytes, report["kv_bytes"].get<double>());
}

TEST_F(HeadlessDeviceTest, KeysThatSaveOverwriteNothing) {
  const std::filesystem::path here = file("saved");
  std::filesystem::create_directories(here);
  std::ofstream(here / "trace.json") << "mine";
  std::ofstream(file("steps.json")) << Json({{{"prompt", kPrompt}},
                                             {{"run", 2}},
                                             {{"key", "ctrl+s"}},
                                             {{"wait", "idle"}},
                                             {{"key", "ctrl+s"}},
                                             {{"wait", "idle"}},
                                             {{"key", "f12"}},
                                             {{"key", "f12"}}});
  const Outcome outcome = run_program({"--headless", "--size", "640x480", "--script", file("steps.json")},
                                      {.cache = folder() / "cache", .folder = here, .program = REGROUP_VIEW});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(read(here / "trace.json"), "mine");
  std::map<std::string, int> saved;
  for (const auto& entry : std::filesystem::directory_iterator(here)) {
    if (entry.path().filename().string().starts_with("regroup-2")) ++saved[entry.path().extension().string()];
  }
  EXPECT_EQ(saved[".json"], 2);
  EXPECT_EQ(saved[".png"], 2);
}

TEST_F(HeadlessDeviceTest, EveryMergeMethodIsOfferedAndWorksAsOnTheCommandLine) {
  const Json report = play({{{"prompt", kPrompt}},
                            {{"groups", 2}},
                            {{"method", "align"}},
                            {{"run", 6}},
                            {{"report", "align"}},
                            {{"method", "fit"}, {"wait", false}},
                            {{"stop", true}},
                            {{"wait", "idle"}},
                            {{"report", "stopped"}},
                            {{"run", 2}}});
  const Json command =
      document({"run", "-p", kPrompt, "-n", "6", "--temp", "0", "--groups", "2", "--method", "align", "-q"});
  EXPECT_EQ(report["reports"][0]["tokens"], command["tokens"]);
  EXPECT_EQ(report["reports"][0]["kv_bytes"], command["kv_bytes"]);
  // What was stopped leaves everything as it was.
  const Json& stopped = report["reports"][1];
  EXPECT_EQ(stopped["method"], "align");
  EXPECT_FALSE(stopped["message_is_error"].get<bool>()) << stopped["message"];
  EXPECT_EQ(report["tokens"].size(), 8u);
  const std::vector<std::string> methods = report["methods"];
  for (const char* method : {"mean", "first", "random", "mean-norm", "align", "svd", "fit", "refine", "auto"}) {
    EXPECT_EQ(std::count(methods.begin(), methods.end(), method), 1) << method;
  }
}

TEST_F(HeadlessDeviceTest, AKnobTurnedWhileHeadsAreMergedWins) {
  const Json report = play({{{"prompt", kPrompt}},
                            {{"run", 2}},
                            {{"method", "svd"}},  // nothing is merged at G = 8
                            {{"groups", 2}, {"wait", false}},
                            {{"method", "mean"}, {"wait", false}},
                            {{"groups", 4}, {"wait", false}},
                            {{"wait", "idle"}},
                            {{"run", 2}}});
  EXPECT_EQ(report["method"], "mean");
  EXPECT_EQ(report["groups"], Json(std::vector<int>(4, 4)));
  EXPECT_EQ(report["tokens"].size(), 4u);
  EXPECT_FALSE(report["message_is_error"].get<bool>()) << report["message"];
}

// The bundled model with a chat template put in front of its other metadata.
void write_model_that_chats(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::ifstream in(from, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  std::string file = content.str();
  const auto number = [](std::uint64_t value, std::size_t bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 255u);
    return out;
  };
  const auto text = [&](const std::string& value) { return number(value.size(), 8) + value; };
  std::string chat =
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:"
      "{% endif %}";
  const auto entry = [&] { return text("tokenizer.chat_template") + number(8, 4) + text(chat); };
  // Tensor data is aligned to 32 bytes: so is what is put in front of it, by blanks inside a tag.
  while (entry().size() % 32 != 0) chat.insert(chat.find(" in messages"), " ");
  const std::uint64_t entries = static_cast<unsigned char>(file[16]);  // fewer than 256
  file.replace(16, 1, 1, static_cast<char>(entries + 1));
  file.insert(24, entry());
  std::ofstream(to, std::ios::binary) << file;
}

TEST_F(HeadlessDeviceTest, AConversationIsKept) {
  write_model_that_chats(bundled(), file("chats.gguf"));
  const Json report = play({{{"say", "Good morning."}, {"tokens", 6}},
                            {{"report", "first"}},
                            {{"cache", "f32"}},  // begins a new session; the conversation stays
                            {{"say", "Who are you?"}, {"tokens", 4}}},
                           {"--model", file("chats.gguf")});
  const Json& first = report["reports"][0];
  ASSERT_EQ(report["conversation"].size(), 3u);
  EXPECT_EQ(report["conversation"][0]["content"], "Good morning.");
  EXPECT_EQ(report["conversation"][1]["role"], "assistant");
  EXPECT_EQ(report["conversation"][1]["content"], first["text"]);
  EXPECT_EQ(report["conversation"][2]["content"], "Who are you?");
  // The first prompt stands in front of all; the answers follow each other.
  const auto prompt = report["prompt_tokens"].get<std::vector<std::uint32_t>>();
  const auto before = first["prompt_tokens"].get<std::vector<std::uint32_t>>();
  ASSERT_GT(prompt.size(), before.size());
  EXPECT_TRUE(std::equal(before.begin(), before.end(), prompt.begin()));
  const auto answers = report["tokens"].get<std::vector<std::uint32_t>>();
  const auto answer = first["tokens"].get<std::vector<std::uint32_t>>();
  ASSERT_EQ(answers.size(), 10u);
  EXPECT_TRUE(std::equal(answer.begin(), answer.end(), answers.begin()));
}

TEST_F(HeadlessDeviceTest, DroppedFilesAndKeysAreAnswered) {
  std::ofstream(file("broken.gguf")) << "GGUF but not really";
  const Json report = play({{{"prompt", kPrompt}},
                            {{"run", 2}},
                            {{"drop", {file("broken.gguf").string()}}},
                            {{"report", "broken"}},
                            {{"drop", {bundled()}}},
                            {{"report", "bundled"}},
                            {{"key", "t"}},
                            {{"key", "f1"}},
                            {{"click", {400, 300}}}},
                           {}, 3);
  EXPECT_TRUE(report["reports"][0]["message_is_error"].get<bool>());
  EXPECT_EQ(report["reports"][0]["tokens"].size(), 2u);  // the model stays, and what it said
  EXPECT_EQ(report["reports"][1]["phase"], "ready");     // opened anew
  EXPECT_TRUE(report["reports"][1]["tokens"].empty());
  // Two keys, and of the click the way, the press and the release, as far as they change what is seen.
  EXPECT_GE(report["input"]["count"], 2);
  EXPECT_LE(report["input"]["count"], 5);
  EXPECT_GE(report["input"]["max_ms"].get<double>(), report["input"]["p50_ms"].get<double>());
  EXPECT_GT(report["first_frame_ms"].get<double>(), 0.0);
}

TEST_F(HeadlessDeviceTest, TheBundledModelCanAlwaysBeChosen) {
  const Json report = play({{{"prompt", kPrompt}},
                            {{"run", 2}},
                            {{"report", "before"}},
                            {{"key", "ctrl+o"}},
                            {{"screenshot", file("open.png")}},
                            {{"click", {140, 121}}},  // the first button of the dialog
                            {{"wait", "idle"}}});
  EXPECT_EQ(report["reports"][0]["tokens"].size(), 2u);
  EXPECT_EQ(report["phase"], "ready");  // opened anew
  EXPECT_TRUE(report["tokens"].empty());
}

TEST_F(HeadlessDeviceTest, SpaceRunsAPromptThatWasEdited) {
  const Json report = play({{{"prompt", kPrompt}},
                            {{"run", 3}},
                            {{"report", "before"}},
                            {{"key", "p"}},
                            {{"type", "Oh! "}},
                            {{"click", {790, 590}}},  // out of the field: keys are actions again
                            {{"key", "space"}},
                            {{"wait_for_tokens", 5}},
                            {{"stop", true}}});
  EXPECT_NE(report["prompt_tokens"], report["reports"][0]["prompt_tokens"]);
  EXPECT_GE(report["tokens"].size(), 5u);
}

TEST_F(HeadlessDeviceTest, TheMouseReachesPanelsAndTheSeamsBetweenThem) {
  const Json report = play({{{"size", {1600, 1000}}},
                            {{"frames", 3}},
                            {{"click", {573, 92}}},  // the button of G = 4
                            {{"wait", "idle"}},
                            {{"report", "four"}},
                            {{"drag", {477, 500, 577, 500}}},  // between the first two columns
                            {{"click", {673, 92}}},            // of G = 2? The button has moved along: G = 4 again
                            {{"wait", "idle"}},
                            {{"report", "still four"}},
                            {{"click", {714, 92}}},
                            {{"wait", "idle"}}});
  EXPECT_EQ(report["reports"][0]["groups"], Json(std::vector<int>(4, 4)));
  EXPECT_EQ(report["reports"][1]["groups"], Json(std::vector<int>(4, 4)));
  EXPECT_EQ(report["groups"], Json(std::vector<int>(4, 2)));
}

TEST_F(HeadlessDeviceTest, AMonitorOfTwiceTheScaleLooksLikeTwiceTheZoom) {
  // A panel in which nothing is measured: the same picture twice, and another one at the scale before.
  play({{{"enlarge", "groups"}},
        {{"screenshot", file("one.png")}},
        {{"zoom", 2.0}},
        {{"screenshot", file("zoomed.png")}},
        {{"zoom", 1.0}},
        {{"monitor_scale", 2.0}},
        {{"screenshot", file("scaled.png")}},
        {{"monitor_scale", 1.0}},
        {{"screenshot", file("back.png")}}});
  EXPECT_EQ(read(file("zoomed.png")), read(file("scaled.png")));
  EXPECT_EQ(read(file("one.png")), read(file("back.png")));
  EXPECT_NE(read(file("one.png")), read(file("scaled.png")));
}

TEST_F(HeadlessDeviceTest, MistakesEndWithOneLine) {
  std::ofstream(file("wrong.json")) << R"([{"dance": true}])";
  const Outcome step = view({"--headless", "--script", file("wrong.json")});
  EXPECT_EQ(step.code, 2);
  EXPECT_NE(step.err.find("step 0"), std::string::npos) << step.err;
  EXPECT_EQ(view({"--screenshot", file("x.png")}).code, 2);
  EXPECT_EQ(view({"--headless", "--size", "9x9"}).code, 2);
  const std::pair<const char*, const char*> wrong[] = {
      {R"([{"run": -1}])", "-1 is no whole number"},
      {R"([{"frames": 1e99}])", "1e+99 is no whole number"},
      {R"([{"click": [1, 1], "button": 99}])", "mouse button 99"},
      {R"([{"screenshot": "/no/such/folder/a.png"}])", "/no/such/folder/a.png"},
  };
  for (const auto& [steps, says] : wrong) {
    std::ofstream(file("wrong.json")) << steps;
    const Outcome outcome = view({"--headless", "--size", "640x480", "--script", file("wrong.json")});
    EXPECT_NE(outcome.code, 0) << steps;
    EXPECT_NE(outcome.err.find(says), std::string::npos) << outcome.err;
  }
}

TEST_F(HeadlessDeviceTest, WhatFailedIsSaidAndFailsTheRun) {
  std::ofstream(file("no-trace.json")) << R"({"kind": "something"})";
  const Json bad = play(Json::array(), {file("no-trace.json")}, 3);
  EXPECT_TRUE(bad["message_is_error"].get<bool>());
  EXPECT_EQ(bad["phase"], "empty");
  const std::string picture = file("failed.png");
  const std::pair<std::vector<std::string>, int> runs[] = {
      {{"-m", "/no/such/model.gguf", "--screenshot", picture}, 1},
      {{"/no/such/trace.json"}, 1},
      {{file("no-trace.json"), "/no/such/trace.json"}, 3},  // the first of the failures decides
  };
  for (const auto& [arguments, code] : runs) {
    std::vector<std::string> all = {"--headless", "--size", "640x480"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome outcome = view(all);
    EXPECT_EQ(outcome.code, code) << arguments[0] << ' ' << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(outcome.err.starts_with("regroup-view: ")) << outcome.err;
    EXPECT_NE(outcome.err.find("/no/such/"), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), code == 3 ? 2 : 1) << outcome.err;
  }
  EXPECT_TRUE(std::filesystem::exists(picture));  // which shows what failed
  const Json steps = play({{{"save_trace", "/no/such/folder/t.json"}}, {{"dismiss", true}}, {{"run", 2}}}, {}, 1);
  EXPECT_EQ(steps["errors"].size(), 1u);
  EXPECT_EQ(steps["tokens"].size(), 2u);
  // A key that can do nothing at the time is no failure of the run.
  const Json keys = play({{{"key", "9"}}, {{"key", "i"}}});
  EXPECT_EQ(keys["errors"].size(), 2u) << keys["errors"];
}

// The commands that the source asks a step for.
std::set<std::string> steps_known() {
  std::ifstream in(REGROUP_SOURCE_DIR "/viewer/script.cpp");
  std::ostringstream text;
  text << in.rdbuf();
  const std::string source = text.str();
  std::set<std::string> steps;
  for (const std::string_view asks : {"has(\"", "json.contains(\""}) {
    for (std::size_t at = source.find(asks); at != std::string::npos; at = source.find(asks, at + 1)) {
      const std::size_t begin = at + asks.size();
      steps.insert(source.substr(begin, source.find('"', begin) - begin));
    }
  }
  return steps;
}

TEST(HeadlessTest, HelpAndManPageTellEveryStep) {
  const auto cache = std::filesystem::temp_directory_path();
  const std::filesystem::path pages = cache / ("regroup-view-pages-" + std::to_string(getpid()));
  const Outcome help = run_program({"--help"}, {.cache = cache, .program = REGROUP_VIEW});
  const Outcome written =
      run_program({"--write-option-pages", pages.string()}, {.cache = cache, .program = REGROUP_VIEW});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(written.code, 0) << written.err;
  std::ifstream in(pages / "man1" / "regroup-view.1");
  std::ostringstream page;
  page << in.rdbuf();
  const std::set<std::string> steps = steps_known();
  EXPECT_GT(steps.size(), 40u);
  for (const std::string& step : steps) {
    const std::string quoted = '"' + step + "\":";
    EXPECT_NE(help.out.find(quoted), std::string::npos) << step;
    EXPECT_NE(page.str().find(quoted), std::string::npos) << step;
  }
  // The man page's first line stays one sentence.
  EXPECT_NE(page.str().find("regroup\\-view \\- Shows a model decoding"), std::string::npos) << page.str();
  std::filesystem::remove_all(pages);
}

TEST(HeadlessTest, WithoutAnyDeviceOneLineSaysSo) {
  const auto cache = std::filesystem::temp_directory_path();
  const std::string none = "/nonexistent/icd.json";
  const Outcome outcome =
      run_program({"VK_ICD_FILENAMES=" + none, "VK_DRIVER_FILES=" + none, REGROUP_VIEW, "--headless"},
                  {.cache = cache, .program = "/usr/bin/env"});
  EXPECT_EQ(outcome.code, 4);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_TRUE(outcome.out.empty());
}

TEST(HeadlessTest, WithoutADisplayOneLineSaysSo) {
  const Outcome outcome = run_program({"-u", "DISPLAY", "-u", "WAYLAND_DISPLAY", REGROUP_VIEW},
                                      {.cache = std::filesystem::temp_directory_path(), .program = "/usr/bin/env"});
  EXPECT_EQ(outcome.code, 4);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_NE(outcome.err.find("--headless"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace regroup::test
