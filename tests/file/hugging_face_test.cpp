// Hugging Face directories: whole and sharded ones are read, incomplete and contradictory ones are refused.
#include <gtest/gtest.h>

#include <map>

#include "runtime/file/model_file.h"
#include "tests/file/file_support.h"
#include "tests/support/gguf_builder.h"

namespace regroup::test {
namespace {

// A safetensors file of f32 vectors of two elements, all bytes of a tensor being its fill.
std::string safetensors_of(const std::map<std::string, char>& tensors) {
  std::string header = "{", data;
  for (const auto& [name, fill] : tensors) {
    header += fmt::format(R"({}"{}":{{"dtype":"F32","shape":[2],"data_offsets":[{},{}]}})",
                          header.size() > 1 ? "," : "", name, data.size(), data.size() + 8);
    data += std::string(8, fill);
  }
  return counted(header + "}") + data;
}

class HuggingFace : public testing::Test {
 protected:
  HuggingFace() { folder_.write("config.json", R"({"model_type":"llama","num_hidden_layers":2})"); }

  ModelFile open() const { return ModelFile::open(folder_.path()); }
  void refuse(std::string_view file, std::string_view says) const {
    expect_bad_model(file, says, [&] { open(); });
  }
  void write_shards() {
    folder_.write("model-1.safetensors", safetensors_of({{"a", 1}, {"b", 2}}));
    folder_.write("model-2.safetensors", safetensors_of({{"c", 3}}));
  }
  void write_index(std::string_view weight_map) {
    folder_.write("model.safetensors.index.json",
                  fmt::format(R"({{"metadata":{{"total_size":24}},"weight_map":{}}})", weight_map));
  }

  TemporaryFolder folder_;
};

TEST_F(HuggingFace, WholeModelIsRead) {
  folder_.write("model.safetensors", safetensors_of({{"a", 1}, {"b", 2}}));
  folder_.write("tokenizer.json", R"({"model":{}})");
  folder_.write("tokenizer_config.json", R"({"chat_template":"{{ a }}"})");
  folder_.write("generation_config.json", "{}");
  folder_.write("tokenizer.model", std::string("\0\1\xff", 3));
  const ModelFile model = open();
  EXPECT_EQ(model.kind(), ModelFileKind::kHuggingFace);
  EXPECT_EQ(model.config()["model_type"], "llama");
  ASSERT_EQ(model.tensors().size(), 2u);
  EXPECT_EQ(text_of(model.find("b")->bytes), std::string(8, 2));
  EXPECT_EQ(model.tokenizer_json(), R"({"model":{}})");
  EXPECT_EQ(model.generation_config_json(), "{}");
  EXPECT_EQ(text_of(model.sentencepiece_model()), std::string("\0\1\xff", 3));
  EXPECT_EQ(model.tokenizer_config_json(), R"({"chat_template":"{{ a }}"})");
  EXPECT_FALSE(model.vocabulary().has_value());
  EXPECT_TRUE(model.metadata().entries().empty());
  EXPECT_EQ(model.file_bytes(), fs::file_size(folder_.path() / "model.safetensors"));
}

TEST_F(HuggingFace, TokenizerFilesMayBeAbsent) {
  folder_.write("model.safetensors", safetensors_of({{"a", 1}}));
  const ModelFile model = open();
  EXPECT_TRUE(model.tokenizer_json().empty());
  EXPECT_TRUE(model.sentencepiece_model().empty());
  EXPECT_TRUE(model.chat_template().empty());
}

TEST_F(HuggingFace, ShardsAreJoined) {
  write_shards();
  write_index(R"({"a":"model-1.safetensors","b":"model-1.safetensors","c":"model-2.safetensors"})");
  const ModelFile model = open();
  ASSERT_EQ(model.tensors().size(), 3u);
  EXPECT_EQ(text_of(model.find("c")->bytes), std::string(8, 3));
}

TEST_F(HuggingFace, LinksAreFollowed) {
  fs::create_directory(folder_.path() / "blobs");
  folder_.write("blobs/1", safetensors_of({{"a", 1}}));
  fs::create_symlink("blobs/1", folder_.path() / "model.safetensors");
  EXPECT_EQ(open().tensors().size(), 1u);
}

TEST_F(HuggingFace, DerivedBuffersAreSkippedAndOtherIntegersAreNot) {
  const auto with = [](const std::string& name) {
    return counted(fmt::format(R"({{"{}":{{"dtype":"BOOL","shape":[1,1,2,2],"data_offsets":[0,4]}}}})", name)) +
           std::string(4, 1);
  };
  for (const char* name :
       {"h.0.attn.bias", "gpt_neox.layers.1.attention.bias", "embeddings.position_ids", "position_ids"}) {
    folder_.write("model.safetensors", with(name));
    EXPECT_TRUE(open().tensors().empty()) << name;
  }
  folder_.write("model.safetensors", with("model.layers.0.mlp.up_proj.weight"));
  refuse("model.safetensors", "tensor 'model.layers.0.mlp.up_proj.weight': has dtype BOOL");
}

TEST_F(HuggingFace, ChatTemplateIsReadAndChecked) {
  folder_.write("model.safetensors", safetensors_of({{"a", 1}}));
  folder_.write("tokenizer_config.json", R"({"chat_template":"C"})");
  EXPECT_EQ(open().chat_template(), "");  // runtime/text finds that one
  folder_.write("chat_template.jinja", "J");
  EXPECT_EQ(open().chat_template(), "J");
  folder_.write("chat_template.jinja", std::string("J\0", 2));
  refuse("chat_template.jinja", "has a zero byte");
  folder_.write("chat_template.jinja", "J\xff");
  refuse("chat_template.jinja", "is not UTF-8");
  folder_.write("chat_template.jinja", std::string((1 << 20) + 1, 'J'));
  refuse("chat_template.jinja", "has 1048577 bytes, at most 1048576");
}

TEST_F(HuggingFace, WhatIsLeftOfAFailedDownloadIsNoAbsentFile) {
  folder_.write("model.safetensors", safetensors_of({{"a", 1}}));
  for (const char* name : {"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "added_tokens.json",
                           "generation_config.json", "chat_template.jinja"}) {
    folder_.write(name, "");
    refuse(name, "is empty");
    fs::remove(folder_.path() / name);
    fs::create_symlink(name, folder_.path() / name);
    refuse(name, "is a link that leads to no file");
    fs::remove(folder_.path() / name);
    fs::create_symlink("blobs/1", folder_.path() / name);
    refuse(name, "is a link that leads to no file");
    fs::remove(folder_.path() / name);
  }
  EXPECT_EQ(open().tensors().size(), 1u);
}

TEST_F(HuggingFace, DirectoriesThatAreNoModelAreExplained) {
  refuse(folder_.path().string(), "neither model.safetensors nor model.safetensors.index.json; it holds 'config.json'");
  folder_.write("pytorch_model.bin", "");
  refuse(folder_.path().string(), "it holds 'config.json', 'pytorch_model.bin'");
  const TemporaryFolder empty;
  expect_bad_model(empty.path().string(), "has no config.json; it is empty", [&] { ModelFile::open(empty.path()); });
  empty.write("x\x1b.txt", "");
  expect_bad_model(empty.path().string(), "it holds 'x\\u{1b}.txt'", [&] { ModelFile::open(empty.path()); });
  empty.write("m.gguf", "");
  expect_bad_model(empty.path().string(), "it holds 'm.gguf', give that file", [&] { ModelFile::open(empty.path()); });
}

TEST_F(HuggingFace, WrongConfigsAreRefused) {
  folder_.write("model.safetensors", safetensors_of({{"a", 1}}));
  const std::pair<std::string, std::string> cases[] = {
      {"", "bad JSON at line 1, column 1"},
      {"{", "bad JSON"},
      {"[]", "is array, expected an object"},
      {"{} {}", "bad JSON at line 1"},
      {"{\"a\":1,\n\"a\":2}", "bad JSON at line 2, column 3: duplicate key 'a'"},
      {"{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}", "nested deeper than 64"},
      {R"({"num_hidden_layers":0})", "num_hidden_layers is 0, expected a whole number from 1 to 1024"},
      {R"({"num_hidden_layers":1025})", "num_hidden_layers is 1025"},
      {R"({"num_hidden_layers":"2"})", "num_hidden_layers is \"2\""},
      {R"({"num_attention_heads":-8})", "num_attention_heads is -8"},
      {R"({"num_key_value_heads":4097})", "num_key_value_heads is 4097"},
      {R"({"vocab_size":1e9})", "vocab_size is 1000000000.0"},
      {R"({"max_position_embeddings":16777217})", "max_position_embeddings is 16777217"},
      {R"({"vocab_size":["\u001b[2J"]})", "vocab_size is "},
  };
  for (const auto& [text, says] : cases) {
    SCOPED_TRACE(text);
    folder_.write("config.json", text);
    refuse("config.json", says);
  }
  folder_.write("config.json", R"({"num_key_value_heads":null,"n_head":4})");
  EXPECT_EQ(open().tensors().size(), 1u);
  folder_.write("config.json", std::string((4u << 20) + 1, ' '));
  refuse("config.json", "has 4194305 bytes, at most 4194304 are allowed");
  std::string many = "{\"a\":[";
  for (int i = 0; i < (1 << 18); ++i) many += "[],";
  folder_.write("config.json", many + "[]]}");
  refuse("config.json", "more than 262144 values");
  fs::remove(folder_.path() / "config.json");
  fs::create_directory(folder_.path() / "config.json");
  refuse("config.json", "is a directory where a file was expected");
}

// As transformers does: generation_config.json decides, config.json where that one says nothing.
TEST_F(HuggingFace, EndIdsComeFromEitherConfig) {
  folder_.write("model.safetensors", safetensors_of({{"a", 1}}));
  const auto ends = [&](const char* config, const char* generation) {
    folder_.write("config.json", fmt::format(R"({{"vocab_size":100{}}})", config));
    fs::remove(folder_.path() / "generation_config.json");
    if (generation != nullptr) folder_.write("generation_config.json", generation);
    const std::string text = open().generation_config_json();
    return text.empty() ? "" : nlohmann::json::parse(text).value("eos_token_id", nlohmann::json()).dump();
  };
  EXPECT_EQ(ends(R"(,"eos_token_id":99)", nullptr), "[99]");
  EXPECT_EQ(ends(R"(,"eos_token_id":[2,7],"bos_token_id":[1])", nullptr), "[2,7]");
  EXPECT_EQ(ends(R"(,"eos_token_id":2)", R"({"eos_token_id":3})"), "3");
  EXPECT_EQ(ends(R"(,"eos_token_id":2)", R"({"bos_token_id":3})"), "[2]");
  EXPECT_EQ(ends(R"(,"eos_token_id":2)", R"({"eos_token_id":null})"), "[2]");
  EXPECT_EQ(ends(R"(,"eos_token_id":-1,"pad_token_id":100)", nullptr), "");
  EXPECT_EQ(ends(R"(,"eos_token_id":[],"bos_token_id":null)", nullptr), "");
  for (const char* ids : {"100", "-5", "1e9", "7.5", "\"2\"", "[2,100]", "[\"2\"]", "{}", "true", "[[2]]"}) {
    for (const char* field : {"bos_token_id", "eos_token_id"}) {
      SCOPED_TRACE(fmt::format("{}: {}", field, ids));
      expect_bad_model("/config.json", fmt::format("'{}' has ", field),
                       [&] { ends(fmt::format(R"(,"{}":{})", field, ids).c_str(), nullptr); });
      expect_bad_model("/generation_config.json", fmt::format("'{}' has ", field),
                       [&] { ends("", fmt::format(R"({{"{}":{}}})", field, ids).c_str()); });
    }
  }
  expect_bad_model("/generation_config.json", "is array, expected an object", [&] { ends("", "[]"); });
  expect_bad_model("/generation_config.json", "bad JSON at line 1", [&] { ends("", "{"); });
}

TEST_F(HuggingFace, WrongIndexesAreRefused) {
  constexpr std::string_view kIndex = "model.safetensors.index.json";
  write_shards();
  const auto refuse_map = [&](std::string_view weight_map, std::string_view file, std::string_view says) {
    SCOPED_TRACE(weight_map);
    write_index(weight_map);
    refuse(file, says);
  };
  refuse_map("[]", kIndex, "has no object weight_map");
  refuse_map("{}", kIndex, "weight_map is empty");
  refuse_map("{", kIndex, "bad JSON");
  refuse_map(R"({"a":1})", kIndex, "weight_map 'a' is number, expected a file name");
  refuse_map(R"({"a":"model-1.safetensors","a":"model-2.safetensors"})", kIndex, "duplicate key 'a'");
  for (const char* name : {"../model-1.safetensors", "/etc/passwd", "sub/model-1.safetensors",
                           "..\\\\model-1.safetensors", "C:model.safetensors", "", ".", "..", ".safetensors",
                           "config.json", "model-1.safetensors\\u0000.safetensors"}) {
    refuse_map(fmt::format(R"({{"a":"{}"}})", name), kIndex,
               "expected the plain name of a .safetensors file of the same directory");
  }
  refuse_map(R"({"a":"model-3.safetensors"})", kIndex, "shard 'model-3.safetensors' is not in the directory");
  refuse_map(R"({"a":"model-1.safetensors"})", "model-1.safetensors",
             "tensor 'b' is not in model.safetensors.index.json");
  refuse_map(R"({"a":"model-1.safetensors","b":"model-2.safetensors","c":"model-2.safetensors"})",
             "model-1.safetensors", "tensor 'b' belongs to 'model-2.safetensors' according to");
  refuse_map(
      R"({"a":"model-1.safetensors","b":"model-1.safetensors","c":"model-2.safetensors","d":"model-2.safetensors"})",
      "model-2.safetensors", "tensor 'd' is missing");
  folder_.write("model-2.safetensors", "");
  refuse_map(R"({"a":"model-1.safetensors","b":"model-1.safetensors","c":"model-2.safetensors"})",
             "model-2.safetensors", "header length needs 8 bytes");
}

}  // namespace
}  // namespace regroup::test
