// Opens a Hugging Face directory: config.json, model.safetensors or its shards, and the tokenizer's files, into a
// ModelFile.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "runtime/file/model_file.h"

namespace regroup {

class HuggingFaceReader {
 public:
  // Throws as ModelFile::open does.
  static ModelFile open(const std::filesystem::path& directory);

 private:
  explicit HuggingFaceReader(const std::filesystem::path& directory) { model_.path_ = directory; }
  void read_config();
  void read_weights();
  void read_index(const std::filesystem::path& index_path);
  // Maps one safetensors file and takes its tensors. `index`: which shard each tensor belongs to, or nullptr.
  void read_shard(const std::string& file_name, const std::map<std::string, std::string>* index);
  void read_tokenizer();
  void read_chat_template();
  void check_limits() const;
  // The whole text of a file of the directory; empty when there is none.
  std::string read_text(const char* file_name, std::uint64_t max_bytes) const;

  // The same for a file that may be absent but, where it is there, must hold something: one that is empty or a link
  // that leads nowhere is left of a download that failed.
  std::string read_side_file(const char* file_name, std::uint64_t max_bytes) const;

  ModelFile model_;
  std::set<std::string> skipped_;  // buffers that were left out, see is_derived_buffer
};

}  // namespace regroup
