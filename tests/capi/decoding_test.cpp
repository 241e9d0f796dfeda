// The C interface on a device: what it decodes, pools and converts is what the library does, from our own device and
// from a caller's.
#include <filesystem>
#include <fstream>
#include <thread>

#include "capi/include/regroup/regroup.h"
#include "runtime/core/json.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = REGROUP_SOURCE_DIR;
const std::string kModel = (kSource / "assets" / "regroup-3m.gguf").string();

// Greedy text that transformers and this program agree on, see tests/decode/golden_test.cpp.
struct Golden {
  explicit Golden(const std::string& name) {
    std::ifstream in(kSource / "tests" / "data" / "golden" / (name + ".json"));
    const auto json = nlohmann::json::parse(in);
    prompt = json["prompt"];
    text = json["text"];
    prompt_tokens = json["prompt_tokens"].get<std::vector<std::uint32_t>>();
    tokens = json["tokens"].get<std::vector<std::uint32_t>>();
    tokens.resize(json["checked"].get<std::size_t>());
  }
  std::string prompt, text;
  std::vector<std::uint32_t> prompt_tokens, tokens;
};

struct Heard {
  std::vector<std::uint32_t> tokens;
  std::string text;
  std::size_t stop_after = SIZE_MAX;  // tokens
};

int hear_token(void* user, std::uint32_t token, float probability) {
  auto& heard = *static_cast<Heard*>(user);
  EXPECT_GE(probability, 0.0f);
  EXPECT_LE(probability, 1.0f);
  heard.tokens.push_back(token);
  return heard.tokens.size() >= heard.stop_after ? 1 : 0;
}

int hear_text(void* user, const char* text, std::size_t length) {
  static_cast<Heard*>(user)->text.append(text, length);
  return 0;
}

regroup_decode_options listening(Heard& heard, std::size_t max_tokens) {
  regroup_decode_options options{};
  options.size = sizeof options;
  options.max_tokens = static_cast<std::uint32_t>(max_tokens);
  options.on_token = hear_token;
  options.on_text = hear_text;
  options.user = &heard;
  return options;
}

class CapiDecodingTest : public DeviceTest {
 protected:
  void TearDown() override {
    regroup_session_close(session_);
    regroup_model_close(model_);
    regroup_device_close(device_);
    DeviceTest::TearDown();
  }
  void open(const regroup_device_options* options = nullptr) {
    ok(regroup_device_open(options, &device_, &error_));
    ok(regroup_model_open(device_, kModel.c_str(), nullptr, &model_, &error_));
    regroup_session_options session{};
    session.size = sizeof session;
    session.context = 128;
    ok(regroup_session_open(model_, &session, &session_, &error_));
  }
  void ok(regroup_status status) { ASSERT_EQ(status, REGROUP_OK) << error_.message; }
  // Decodes what the golden text was recorded from, and expects it.
  void expect_golden(regroup_session* session, const Golden& golden) {
    Heard heard;
    const auto options = listening(heard, golden.tokens.size());
    regroup_decode_result result{};
    result.size = sizeof result;
    ok(regroup_decode(session, golden.prompt_tokens.data(), golden.prompt_tokens.size(), &options, &result, &error_));
    EXPECT_EQ(heard.tokens, golden.tokens);
    EXPECT_EQ(heard.text, golden.text);
    EXPECT_EQ(result.stop, REGROUP_STOP_LENGTH);
    EXPECT_EQ(result.generated_tokens, golden.tokens.size());
    EXPECT_GT(result.prefill_ms, 0.0);
  }

  regroup_error error_{};
  regroup_device* device_ = nullptr;
  regroup_model* model_ = nullptr;
  regroup_session* session_ = nullptr;
};

TEST_F(CapiDecodingTest, TokenizesDecodesAndRegroups) {
  open();
  const Golden golden("child-8");
  std::size_t count = 0;
  ok(regroup_tokenize(model_, golden.prompt.data(), golden.prompt.size(), 0, nullptr, 0, &count, &error_));
  ASSERT_EQ(count, golden.prompt_tokens.size());
  std::vector<std::uint32_t> tokens(count);
  ok(regroup_tokenize(model_, golden.prompt.data(), golden.prompt.size(), 0, tokens.data(), count, &count, &error_));
  EXPECT_EQ(tokens, golden.prompt_tokens);
  char text[200];
  ok(regroup_detokenize(model_, tokens.data(), count, 0, text, sizeof text, &count, &error_));
  EXPECT_EQ(std::string(text), golden.prompt);
  EXPECT_EQ(count, golden.prompt.size());
  char little[4] = "zzz";
  ok(regroup_detokenize(model_, tokens.data(), tokens.size(), 0, little, 3, &count, &error_));
  EXPECT_EQ(std::string(little, 4), golden.prompt.substr(0, 3) + '\0');
  EXPECT_EQ(count, golden.prompt.size());

  expect_golden(session_, golden);
  std::vector<float> logits(2048);
  ok(regroup_session_logits(session_, logits.data(), logits.size(), &count, &error_));
  EXPECT_EQ(count, logits.size());
  EXPECT_EQ(std::max_element(logits.begin(), logits.end()) - logits.begin(), golden.tokens.back());

  std::uint64_t whole = 0, half = 0;
  ok(regroup_session_kv_bytes_per_token(session_, &whole, &error_));
  int reports = 0;
  const regroup_progress counted = {[](void* user, const char*, double) { return ++*static_cast<int*>(user), 0; },
                                    &reports};
  ok(regroup_session_regroup(session_, "4", nullptr, &counted, &error_));
  EXPECT_GT(reports, 0);
  ok(regroup_session_kv_bytes_per_token(session_, &half, &error_));
  EXPECT_EQ(whole, 2 * half);
  expect_golden(session_, Golden("child-4"));
  EXPECT_EQ(regroup_session_regroup(session_, "3", nullptr, nullptr, &error_), REGROUP_USAGE);
  EXPECT_EQ(regroup_session_regroup(session_, "4", "magic", nullptr, &error_), REGROUP_USAGE);
  expect_golden(session_, Golden("child-4"));  // as it was before the errors
  ok(regroup_session_regroup(session_, nullptr, nullptr, nullptr, &error_));
  expect_golden(session_, golden);
}

TEST_F(CapiDecodingTest, RemarksAreTold) {
  std::vector<std::string> remarks;
  regroup_device_options options{};
  options.size = sizeof options;
  options.on_remark = [](void* user, const char* remark) {
    static_cast<std::vector<std::string>*>(user)->emplace_back(remark);
  };
  options.user = &remarks;
  open(&options);
  EXPECT_TRUE(remarks.empty());
  const regroup_message message = {"user", "Hello"};
  std::size_t count = 0;
  ok(regroup_tokenize_chat(model_, &message, 1, nullptr, 0, &count, &error_));
  ASSERT_EQ(remarks.size(), 1u);  // the model has no chat template
  EXPECT_NE(remarks[0].find("ChatML"), std::string::npos) << remarks[0];
  EXPECT_EQ(remarks[0].find('\n'), std::string::npos);
}

TEST_F(CapiDecodingTest, ACallbackStopsAndTheNextCallGoesOn) {
  open();
  const Golden golden("child-8");
  Heard heard;
  heard.stop_after = 2;
  auto options = listening(heard, 5);
  regroup_decode_result result{};
  result.size = sizeof result;
  std::vector<std::uint32_t> tokens = golden.prompt_tokens;
  ok(regroup_decode(session_, tokens.data(), tokens.size(), &options, &result, &error_));
  EXPECT_EQ(result.stop, REGROUP_STOP_INTERRUPTED);
  EXPECT_EQ(heard.tokens, std::vector(golden.tokens.begin(), golden.tokens.begin() + 2));

  tokens.insert(tokens.end(), heard.tokens.begin(), heard.tokens.end());
  heard = {};
  options.max_tokens = 3;
  ok(regroup_decode(session_, tokens.data(), tokens.size(), &options, &result, &error_));
  EXPECT_EQ(heard.tokens, std::vector(golden.tokens.begin() + 2, golden.tokens.begin() + 5));
  EXPECT_EQ(result.prompt_tokens, 1u);  // all but the last were cached

  const char* stops[] = {" am"};
  options.stops = stops;
  options.stop_count = 1;
  options.max_tokens = 20;
  heard = {};
  ok(regroup_decode(session_, golden.prompt_tokens.data(), golden.prompt_tokens.size(), &options, &result, &error_));
  EXPECT_EQ(result.stop, REGROUP_STOP_TEXT);
  EXPECT_EQ(heard.text, ", \"I");
}

TEST_F(CapiDecodingTest, ModelsAreDescribed) {
  open();
  regroup_model_info info{};
  info.size = sizeof info;
  ok(regroup_model_describe(model_, &info, &error_));
  EXPECT_STREQ(info.architecture, "llama");
  EXPECT_EQ(info.parameters, 3148032u);
  EXPECT_EQ(info.layers, 4u);
  EXPECT_EQ(info.query_heads, 8u);
  EXPECT_EQ(info.kv_heads, 8u);
  EXPECT_EQ(info.vocabulary, 2048u);
  EXPECT_EQ(info.has_tokenizer, 1);
  // A program that knows fewer members gets those, and nothing is written behind them.
  regroup_model_info older{};
  older.size = offsetof(regroup_model_info, parameters);
  older.parameters = 7;
  ok(regroup_model_describe(model_, &older, &error_));
  EXPECT_STREQ(older.architecture, "llama");
  EXPECT_EQ(older.parameters, 7u);

  const regroup_message messages[] = {{"user", "Hello"}};
  std::size_t count = 0;
  ok(regroup_tokenize_chat(model_, messages, 1, nullptr, 0, &count, &error_));
  EXPECT_GT(count, 3u);
}

TEST_F(CapiDecodingTest, SessionsInTwoThreadsDoNotMeet) {
  open();
  const Golden one("child-8"), other("garden-8");
  regroup_session* second = nullptr;
  ok(regroup_session_open(model_, nullptr, &second, &error_));
  Heard first_heard, second_heard;
  const auto decode = [](regroup_session* session, const Golden& golden, Heard& heard) {
    for (int round = 0; round < 3; ++round) {
      heard = {};
      const auto options = listening(heard, golden.tokens.size());
      if (regroup_decode(session, golden.prompt_tokens.data(), golden.prompt_tokens.size(), &options, nullptr,
                         nullptr) != REGROUP_OK)
        return;
    }
  };
  std::thread thread(decode, second, std::cref(other), std::ref(second_heard));
  decode(session_, one, first_heard);
  thread.join();
  regroup_session_close(second);
  EXPECT_EQ(first_heard.tokens, one.tokens);
  EXPECT_EQ(second_heard.tokens, other.tokens);
}

TEST_F(CapiDecodingTest, TheCallersInstanceAndDeviceAreUsedAndSurvive) {
  Device& own = device();  // with the validation layers on
  std::uint32_t enabled = 0;
  if (own.features().fp16) enabled |= REGROUP_ENABLED_FP16;
  if (own.features().storage_16bit) enabled |= REGROUP_ENABLED_STORAGE_16BIT;
  if (own.features().int8) enabled |= REGROUP_ENABLED_INT8;
  if (own.features().integer_dot) enabled |= REGROUP_ENABLED_INTEGER_DOT;
  if (own.features().subgroup_size_control) enabled |= REGROUP_ENABLED_SUBGROUP_SIZE_CONTROL;
  // `own` enabled none of it: the layers would tell of a kernel that uses what the caller only claims.
  for (const std::uint32_t flags : {enabled, 0u}) {
    regroup_vulkan vulkan{};
    vulkan.size = sizeof vulkan;
    vulkan.instance = shared_instance().handle();
    vulkan.physical_device = own.info().handle;
    vulkan.device = own.handle();
    vulkan.queue = own.queue();
    vulkan.queue_family = own.queue_family();
    vulkan.enabled = flags;
    regroup_device_options options{};
    options.size = sizeof options;
    options.vulkan = &vulkan;
    open(&options);
    expect_golden(session_, Golden("child-8"));
    regroup_session_close(std::exchange(session_, nullptr));
    regroup_model_close(std::exchange(model_, nullptr));
    regroup_device_close(std::exchange(device_, nullptr));
  }
  // A device of our own on the caller's instance.
  regroup_vulkan vulkan{};
  vulkan.size = sizeof vulkan;
  vulkan.instance = shared_instance().handle();
  regroup_device_options options{};
  options.size = sizeof options;
  options.vulkan = &vulkan;
  ok(regroup_device_open(&options, &device_, &error_));
  regroup_device_info info{};
  ok(regroup_device_describe(device_, &info, &error_));
  EXPECT_EQ(std::string(info.name), own.info().name);
  std::size_t count = 0;
  ok(regroup_list_devices(vulkan.instance, &info, 1, &count, &error_));
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(info.is_usable, 1);
}

TEST_F(CapiDecodingTest, ConvertsACheckpoint) {
  open();
  const fs::path folder = fs::temp_directory_path() / ("regroup-capi-test-" + std::to_string(getpid()));
  fs::create_directories(folder);
  const std::string output = (folder / "pooled.gguf").string();
  regroup_convert_options options{};
  options.size = sizeof options;
  options.input = kModel.c_str();
  options.output = output.c_str();
  options.groups = "2";
  options.method = "mean";
  int reports = 0;
  options.progress = {[](void* user, const char*, double) { return ++*static_cast<int*>(user), 0; }, &reports};
  regroup_convert_result result{};
  result.size = sizeof result;
  ok(regroup_convert(device_, &options, &result, &error_));
  EXPECT_EQ(result.bytes_in, fs::file_size(kModel));
  EXPECT_EQ(result.bytes_out, fs::file_size(output));
  EXPECT_GT(reports, 0);
  // It stands there now, and is not replaced unasked.
  EXPECT_EQ(regroup_convert(device_, &options, nullptr, &error_), REGROUP_USAGE);
  EXPECT_NE(std::string(error_.message).find("pooled.gguf"), std::string::npos) << error_.message;
  // The caller stops the work.
  options.overwrite = 1;
  options.progress.report = [](void*, const char*, double) { return 1; };
  EXPECT_EQ(regroup_convert(device_, &options, nullptr, &error_), REGROUP_INTERRUPTED);

  regroup_model* pooled = nullptr;
  ok(regroup_model_open(device_, output.c_str(), nullptr, &pooled, &error_));
  regroup_model_info info{};
  info.size = sizeof info;
  ok(regroup_model_describe(pooled, &info, &error_));
  EXPECT_EQ(info.kv_heads, 2u);
  regroup_model_close(pooled);
  fs::remove_all(folder);
}

TEST_F(CapiDecodingTest, ErrorsAreValuesWithOneLine) {
  ok(regroup_device_open(nullptr, &device_, &error_));
  EXPECT_STREQ(error_.message, "");
  const auto refused = [&](regroup_status status, regroup_status expected, const char* part) {
    EXPECT_EQ(status, expected) << error_.message;
    EXPECT_EQ(error_.status, expected);
    EXPECT_NE(std::string(error_.message).find(part), std::string::npos) << error_.message;
    EXPECT_EQ(std::string(error_.message).find('\n'), std::string::npos);
  };
  refused(regroup_model_open(device_, "/no/such.gguf", nullptr, &model_, &error_), REGROUP_FAILED, "/no/such.gguf");
  EXPECT_EQ(model_, nullptr);
  const std::string readme = (kSource / "README.md").string();
  refused(regroup_model_open(device_, readme.c_str(), nullptr, &model_, &error_), REGROUP_BAD_MODEL, "README.md");
  const fs::path lines = fs::temp_directory_path() / ("regroup\ncapi-test-" + std::to_string(getpid()));
  fs::create_directories(lines);
  std::ofstream(lines / "config.json") << R"({"model_type": "unknown"})";
  refused(regroup_model_open(device_, lines.c_str(), nullptr, &model_, &error_), REGROUP_BAD_MODEL, "capi-test-");
  fs::remove_all(lines);
  refused(regroup_model_open(nullptr, kModel.c_str(), nullptr, &model_, &error_), REGROUP_USAGE, "device");
  refused(regroup_decode(nullptr, nullptr, 0, nullptr, nullptr, &error_), REGROUP_USAGE, "session");
  regroup_device* none = nullptr;
  regroup_device_options options{};
  refused(regroup_device_open(&options, &none, &error_), REGROUP_USAGE, "sizeof(regroup_device_options)");
  options.size = sizeof options;
  options.which = "no such device";
  refused(regroup_device_open(&options, &none, &error_), REGROUP_NO_DEVICE, "no such device");
  options.which = nullptr;
  options.disable = "gravity";
  refused(regroup_device_open(&options, &none, &error_), REGROUP_USAGE, "gravity");
  EXPECT_EQ(regroup_device_open(&options, &none, nullptr), REGROUP_USAGE);  // nobody must listen

  const regroup_progress stop = {[](void*, const char*, double) { return 1; }, nullptr};
  refused(regroup_model_open(device_, kModel.c_str(), &stop, &model_, &error_), REGROUP_INTERRUPTED, "");
  ok(regroup_model_open(device_, kModel.c_str(), nullptr, &model_, &error_));
  ok(regroup_session_open(model_, nullptr, &session_, &error_));
  const std::uint32_t outside[] = {1u << 20};
  refused(regroup_decode(session_, outside, 1, nullptr, nullptr, &error_), REGROUP_USAGE, "1048576");
  refused(regroup_decode(session_, outside, 0, nullptr, nullptr, &error_), REGROUP_USAGE, "");
  std::size_t count = 0;
  refused(regroup_session_logits(session_, nullptr, 0, &count, &error_), REGROUP_USAGE, "nothing was decoded");
  refused(regroup_detokenize(model_, outside, 1, 0, nullptr, 0, &count, &error_), REGROUP_USAGE, "1048576");
  // A structure for the result that cannot be filled is refused before the work.
  regroup_decode_result unset{};
  refused(regroup_decode(session_, outside, 1, nullptr, &unset, &error_), REGROUP_USAGE,
          "sizeof(regroup_decode_result)");
  const fs::path output = fs::temp_directory_path() / ("regroup-capi-test-" + std::to_string(getpid()) + ".gguf");
  regroup_convert_options conversion{};
  conversion.size = sizeof conversion;
  conversion.input = kModel.c_str();
  const std::string output_name = output.string();
  conversion.output = output_name.c_str();
  conversion.groups = "2";
  conversion.method = "mean";
  regroup_convert_result unset_too{};
  refused(regroup_convert(device_, &conversion, &unset_too, &error_), REGROUP_USAGE, "sizeof(regroup_convert_result)");
  EXPECT_FALSE(fs::exists(output));
  const std::vector<std::uint32_t> many(5000, 3);
  refused(regroup_decode(session_, many.data(), many.size(), nullptr, nullptr, &error_), REGROUP_USAGE, "context");
}

}  // namespace
}  // namespace regroup::test
