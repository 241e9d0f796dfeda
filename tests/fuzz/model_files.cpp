// Fuzz targets that read checkpoints: GGUF, safetensors, config.json.
#include "runtime/decode/load_tokenizer.h"
#include "runtime/file/model_file.h"
#include "runtime/file/safetensors_reader.h"
#include "runtime/model/model.h"
#include "tests/fuzz/targets.h"

namespace regroup::test {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSampleText = "Hello, w\xc3\xb6rld! 12345 <|im_end|></s>\n\n  \xe4\xbd\xa0\xe5\xa5\xbd";

// Everything that `regroup info` and `regroup tokenize` do.
void open_and_outline(const fs::path& path) {
  may_refuse([&] {
    const ModelFile file = ModelFile::open(path);
    const ModelOutline outline = read_outline(file);
    (void)outline.remark();
    if (const auto tokenizer = load_tokenizer(file, outline.config.vocabulary)) {
      (void)tokenizer->decode(tokenizer->encode(kSampleText), true);
    }
  });
}

}  // namespace

void fuzz_gguf(Input input) {
  const fs::path path = scratch_folder() / "model.gguf";
  write_file(path, text_of_input(input));
  open_and_outline(path);
}

void fuzz_safetensors(Input input) {
  may_refuse([&] {
    (void)parse_safetensors(
        input, "model.safetensors", [](std::string_view name) { return name.ends_with("bias"); },
        [](std::string_view name) { return name.starts_with("x"); });
  });
}

void fuzz_config(Input input) {
  static const fs::path folder = [] {
    const fs::path path = scratch_folder() / "checkpoint";
    fs::create_directories(path);
    fs::copy_file(fs::path(REGROUP_SOURCE_DIR) / "tests/data/checkpoints/llama-mqa-4-1/model.safetensors",
                  path / "model.safetensors", fs::copy_options::overwrite_existing);
    return path;
  }();
  write_file(folder / "config.json", text_of_input(input));
  open_and_outline(folder);
}

}  // namespace regroup::test
