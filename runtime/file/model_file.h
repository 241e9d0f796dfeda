// An opened checkpoint: GGUF (also split) or Hugging Face directory, memory-mapped and completely validated before this
// object exists.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/vocabulary.h"
#include "runtime/file/gguf_metadata.h"
#include "runtime/file/mapped_file.h"
#include "runtime/formats/weight_format.h"

namespace regroup {

enum class ModelFileKind { kGguf, kHuggingFace };

// One tensor as the file has it. shape is outermost first: a matrix is {rows, columns}, a vector {columns}.
struct FileTensor {
  std::string name;
  WeightFormat format;
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> bytes;  // points into a mapped file, at any alignment; offset, size and shape were checked

  std::uint64_t rows() const { return shape.size() < 2 ? 1 : elements() / columns(); }
  std::uint64_t columns() const { return shape.back(); }
  std::uint64_t elements() const;
};

class ModelFile {
 public:
  // `path`: a .gguf file (for a split model its first shard), or a directory with config.json and
  // model.safetensors[.index.json]. Throws Error: kBadModel naming file, field, found and expected; kFailed when the
  // path cannot be read. Allocates nothing by a number from the file before that number was compared with what the file
  // really holds.
  static ModelFile open(const std::filesystem::path& path);

  ModelFileKind kind() const { return kind_; }
  const std::filesystem::path& path() const { return path_; }
  std::uint64_t file_bytes() const { return file_bytes_; }  // all shards together
  const std::vector<MappedFile>& files() const { return files_; }

  // GGUF key/value pairs (empty for Hugging Face directories).
  const GgufMetadata& metadata() const { return metadata_; }
  // config.json (null for GGUF).
  const nlohmann::json& config() const { return *config_; }
  // Raw text of tokenizer.json / tokenizer_config.json / added_tokens.json / generation_config.json, or empty (Hugging
  // Face only). The last has config.json's eos_token_id where the file gives none.
  const std::string& tokenizer_json() const { return tokenizer_json_; }
  const std::string& tokenizer_config_json() const { return tokenizer_config_json_; }
  const std::string& added_tokens_json() const { return added_tokens_json_; }
  const std::string& generation_config_json() const { return generation_config_json_; }
  // Bytes of tokenizer.model (SentencePiece protobuf), or empty (Hugging Face only).
  std::span<const std::byte> sentencepiece_model() const { return sentencepiece_model_; }

  // The Jinja text of the chat template where it stands by itself, or empty. GGUF: tokenizer.chat_template; Hugging
  // Face: chat_template.jinja (older directories have it in tokenizer_config.json, which runtime/text reads).
  const std::string& chat_template() const { return chat_template_; }

  // GGUF's tokenizer.* keys as plain data; nothing when the file has none. Hugging Face: always nothing (see
  // runtime/text).
  const std::optional<Vocabulary>& vocabulary() const { return vocabulary_; }

  // In file order.
  const std::vector<FileTensor>& tensors() const { return tensors_; }
  // Names of tensors that no model computes with and that have a type or shape which is no weight's.
  const std::vector<std::string>& skipped_tensors() const { return skipped_tensors_; }
  // nullptr when there is no tensor of that name.
  const FileTensor* find(std::string_view name) const;

  // Tells the system that these mapped bytes will not be read again soon, so that they stop counting as resident
  // memory.
  void release_pages(std::span<const std::byte> bytes) const;

 private:
  friend class GgufReader;
  friend class HuggingFaceReader;

  ModelFile();

  ModelFileKind kind_ = ModelFileKind::kGguf;
  std::filesystem::path path_;
  std::uint64_t file_bytes_ = 0;
  std::vector<MappedFile> files_;
  GgufMetadata metadata_;
  std::shared_ptr<const nlohmann::json> config_;  // behind a pointer: who sees a model need not see all of the library
  std::string tokenizer_json_, tokenizer_config_json_, added_tokens_json_, generation_config_json_;
  std::vector<std::byte> sentencepiece_model_;
  std::string chat_template_;
  std::optional<Vocabulary> vocabulary_;
  std::vector<FileTensor> tensors_;
  std::vector<std::string> skipped_tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace regroup
