// What is fuzzed: functions that take any bytes, and throw or end the process only where the program would be wrong. A
// plain test replays kept inputs through them (replay_test.cpp); libFuzzer finds new ones (REGROUP_FUZZ).
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace regroup::test {

using Input = std::span<const std::byte>;

void fuzz_gguf(Input input);            // a .gguf file: reader, config, shapes, tokenizer
void fuzz_safetensors(Input input);     // a .safetensors file
void fuzz_config(Input input);          // a directory whose config.json this is
void fuzz_tokenizer_json(Input input);  // tokenizer.json; first byte odd: tokenizer_config.json beside a right one
void fuzz_sentencepiece(Input input);   // tokenizer.model
void fuzz_chat_template(Input input);   // Jinja text
void fuzz_text(Input input);            // a user's text, for one tokenizer of each kind
void fuzz_trace(Input input);           // a trace that `regroup-view` opens
void fuzz_pipeline_cache(Input input);  // the cache file of compiled kernels

struct FuzzTarget {
  std::string_view name;
  void (*run)(Input);
};

inline constexpr FuzzTarget kFuzzTargets[] = {
    {"gguf", fuzz_gguf},
    {"safetensors", fuzz_safetensors},
    {"config", fuzz_config},
    {"tokenizer_json", fuzz_tokenizer_json},
    {"sentencepiece", fuzz_sentencepiece},
    {"chat_template", fuzz_chat_template},
    {"text", fuzz_text},
    {"trace", fuzz_trace},
    {"pipeline_cache", fuzz_pipeline_cache},
};

// Runs `action`, which may refuse its input: with an Error of one line without control characters. Everything else that
// it throws goes on.
void may_refuse(const std::function<void()>& action);

inline std::string_view text_of_input(Input input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

// A folder of this process, on a memory file system where there is one; emptied when the process ends.
const std::filesystem::path& scratch_folder();
void write_file(const std::filesystem::path& path, std::string_view bytes);
std::string read_file(const std::filesystem::path& path);

}  // namespace regroup::test
