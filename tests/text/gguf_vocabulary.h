// The tokenizer.* keys of a GGUF file, for tests of this layer only (the program reads them in runtime/file).
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/core/vocabulary.h"

namespace regroup {

class GgufVocabularyReader {
 public:
  explicit GgufVocabularyReader(const std::string& path) {
    constexpr std::size_t kHeadBytes = 32 << 20;  // the metadata of every model that the tests know
    std::ifstream file(path, std::ios::binary);
    bytes_.resize(kHeadBytes);
    file.read(bytes_.data(), kHeadBytes);
    bytes_.resize(static_cast<std::size_t>(file.gcount()));
    if (text_of(4) != "GGUF") throw std::runtime_error("not a GGUF file");
    number<std::uint32_t>();  // version
    number<std::uint64_t>();  // tensors
    const auto keys = number<std::uint64_t>();
    for (std::uint64_t i = 0; i < keys; ++i) {
      const std::string key = string();
      value(key, number<std::uint32_t>());
    }
  }

  Vocabulary take() { return std::move(vocabulary_); }

 private:
  std::string text_of(std::uint64_t size) {
    if (size > bytes_.size() - at_) throw std::runtime_error("the GGUF metadata does not end");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  std::string string() { return text_of(number<std::uint64_t>()); }
  template <typename T>
  T number() {
    T value{};
    std::memcpy(&value, text_of(sizeof value).data(), sizeof value);
    return value;
  }

  void value(const std::string& key, std::uint32_t type) {
    static constexpr std::uint64_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    Vocabulary& v = vocabulary_;
    if (type == 8) {
      const std::string text = string();
      if (key == "tokenizer.ggml.model" && text == "llama") v.kind = VocabularyKind::kSentencePiece;
      if (key == "tokenizer.ggml.pre") v.pre_tokenizer = text;
      if (key == "tokenizer.chat_template") v.chat_template = text;
    } else if (type == 9) {
      const auto element = number<std::uint32_t>();
      array(key, element, number<std::uint64_t>());
    } else if (type == 4) {
      const auto id = number<std::uint32_t>();
      if (key == "tokenizer.ggml.bos_token_id") v.bos = id;
      if (key == "tokenizer.ggml.eos_token_id") v.eos = id;
      if (key == "tokenizer.ggml.unknown_token_id") v.unk = id;
    } else if (type == 7) {
      const bool flag = number<std::uint8_t>() != 0;
      if (key == "tokenizer.ggml.add_bos_token") v.add_bos = flag;
      if (key == "tokenizer.ggml.add_eos_token") v.add_eos = flag;
      if (key == "tokenizer.ggml.add_space_prefix") v.add_space_prefix = flag;
    } else {
      text_of(kSizes[type]);
    }
  }

  void array(const std::string& key, std::uint32_t type, std::uint64_t count) {
    static constexpr std::uint64_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    for (std::uint64_t i = 0; i < count; ++i) {
      if (type == 8) {
        std::string text = string();
        if (key == "tokenizer.ggml.tokens") vocabulary_.tokens.push_back(std::move(text));
        if (key == "tokenizer.ggml.merges") vocabulary_.merges.push_back(std::move(text));
      } else if (type == 6) {
        const auto score = number<float>();
        if (key == "tokenizer.ggml.scores") vocabulary_.scores.push_back(score);
      } else if (type == 5) {
        const auto kind = number<std::int32_t>();
        if (key == "tokenizer.ggml.token_type") vocabulary_.types.push_back(static_cast<TokenType>(kind));
      } else {
        text_of(kSizes[type]);
      }
    }
  }

  std::string bytes_;
  std::size_t at_ = 0;
  Vocabulary vocabulary_;
};

}  // namespace regroup
