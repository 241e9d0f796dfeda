// Opens a GGUF model, whole or split: maps every shard, has each parsed, checks them against each other and joins them
// into a ModelFile.
#pragma once

#include <filesystem>

#include "runtime/file/model_file.h"

namespace regroup {

class GgufReader {
 public:
  // `path`: the file, or the first shard. Throws as ModelFile::open does.
  static ModelFile open(const std::filesystem::path& path);

 private:
  explicit GgufReader(const std::filesystem::path& path) { model_.path_ = path; }
  void read_first();
  void read_further_shards();
  void add_shard(MappedFile file, std::vector<FileTensor> tensors);
  void check_split_keys(const GgufMetadata& metadata, std::uint32_t number, std::uint32_t count) const;
  void check_limits() const;
  void check_embedding_rows() const;

  ModelFile model_;
};

}  // namespace regroup
