#include "runtime/file/gguf_reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "runtime/file/bad_file.h"
#include "runtime/file/ceilings.h"
#include "runtime/file/gguf_parser.h"
#include "runtime/file/gguf_vocabulary.h"
#include "runtime/file/split_name.h"

namespace regroup {

namespace {

constexpr std::string_view kSplitNumber = "split.no";  // from 0
constexpr std::string_view kSplitCount = "split.count";
constexpr std::string_view kSplitTensors = "split.tensors.count";

void check_at_most(const GgufMetadata& metadata, const std::string& key, std::uint64_t least, std::uint64_t most) {
  const auto check = [&](std::uint64_t value) {
    if (value < least || value > most) {
      metadata.refuse(key, fmt::format("is {}, expected {} to {}", value, least, most));
    }
  };
  if (!metadata.is_array(key)) {
    if (const auto value = metadata.find_u64(key)) check(*value);
    return;
  }
  for (const std::uint32_t value : metadata.get_u32s(key)) check(value);
}

}  // namespace

ModelFile GgufReader::open(const std::filesystem::path& path) {
  GgufReader reader(path);
  reader.read_first();
  reader.read_further_shards();
  reader.check_limits();
  reader.model_.vocabulary_ = read_gguf_vocabulary(reader.model_.metadata_);
  reader.check_embedding_rows();
  if (reader.model_.vocabulary_) reader.model_.chat_template_ = reader.model_.vocabulary_->chat_template;
  return std::move(reader.model_);
}

void GgufReader::read_first() {
  MappedFile file = MappedFile::open(model_.path_);
  GgufContents contents = parse_gguf(file.bytes(), model_.path_.string());
  model_.kind_ = ModelFileKind::kGguf;
  model_.metadata_ = std::move(contents.metadata);
  model_.skipped_tensors_ = std::move(contents.skipped);
  add_shard(std::move(file), std::move(contents.tensors));
}

void GgufReader::add_shard(MappedFile file, std::vector<FileTensor> tensors) {
  for (FileTensor& tensor : tensors) {
    if (!model_.by_name_.emplace(tensor.name, model_.tensors_.size()).second) {
      bad_file(file.path().string(), "tensor '{}' is also in an earlier shard", escaped(tensor.name));
    }
    model_.tensors_.push_back(std::move(tensor));
  }
  model_.file_bytes_ += file.bytes().size();
  model_.files_.push_back(std::move(file));
}

void GgufReader::check_split_keys(const GgufMetadata& metadata, std::uint32_t number, std::uint32_t count) const {
  if (const std::uint32_t found = metadata.get_u32(kSplitNumber); found != number - 1) {
    metadata.refuse(kSplitNumber, fmt::format("is {}, expected {} from the file's name", found, number - 1));
  }
  if (const std::uint32_t found = metadata.get_u32(kSplitCount); found != count) {
    metadata.refuse(kSplitCount, fmt::format("is {}, expected {} from the file's name", found, count));
  }
}

void GgufReader::read_further_shards() {
  const auto name = parse_split_name(model_.path_.filename().string());
  const GgufMetadata& first = model_.metadata_;
  const std::uint32_t split_count = first.find_u32(kSplitCount).value_or(1);
  if (!name) {
    if (split_count > 1) {
      first.refuse(kSplitCount,
                   fmt::format("is {}, but the file is not named like '{}', so that the others cannot be found",
                               split_count, make_split_name("NAME", 1, split_count)));
    }
    return;
  }
  if (name->number != 1) {
    bad_file(model_.path_.string(), "is shard {} of {}; give the first, '{}'", name->number, name->count,
             escaped(make_split_name(name->prefix, 1, name->count)));
  }
  if (name->count == 1 && !first.contains(kSplitCount)) return;
  check_split_keys(first, 1, name->count);
  for (std::uint32_t number = 2; number <= name->count; ++number) {
    // The name is made from the first shard's own, so it cannot lead out of its folder.
    const auto path = model_.path_.parent_path() / make_split_name(name->prefix, number, name->count);
    std::error_code unused;
    if (!std::filesystem::exists(path, unused)) {
      bad_file(model_.path_.string(), "shard {} of {}, '{}', is not beside it", number, name->count,
               escaped(path.filename().string()));
    }
    MappedFile file = MappedFile::open(path);
    GgufContents contents = parse_gguf(file.bytes(), path.string());
    check_split_keys(contents.metadata, number, name->count);
    model_.skipped_tensors_.insert(model_.skipped_tensors_.end(), contents.skipped.begin(), contents.skipped.end());
    add_shard(std::move(file), std::move(contents.tensors));
  }
  const std::size_t found = model_.tensors_.size() + model_.skipped_tensors_.size();
  if (const std::uint64_t expected = first.get_u64(kSplitTensors); expected != found) {
    first.refuse(kSplitTensors, fmt::format("is {}, but the shards have {} tensors", expected, found));
  }
}

void GgufReader::check_limits() const {
  const GgufMetadata& metadata = model_.metadata_;
  // Files of these kinds may have the tensors of a model, which mean something else.
  const auto kind = metadata.find_string("general.type");
  if (kind == "adapter" || kind == "mmproj" || kind == "imatrix") {
    metadata.refuse("general.type", fmt::format("is '{}', expected a model", *kind));
  }
  const auto architecture = metadata.find_string("general.architecture");
  if (!architecture) return;
  const std::string& prefix = *architecture;
  check_at_most(metadata, prefix + ".block_count", 1, kMaxLayers);
  check_at_most(metadata, prefix + ".context_length", 1, kMaxContext);
  check_at_most(metadata, prefix + ".vocab_size", 1, kMaxVocabulary);
  // 0 heads in a layer: one without attention.
  check_at_most(metadata, prefix + ".attention.head_count", 0, kMaxHeads);
  check_at_most(metadata, prefix + ".attention.head_count_kv", 0, kMaxHeads);
}

void GgufReader::check_embedding_rows() const {
  const FileTensor* embedding = model_.find("token_embd.weight");
  if (embedding == nullptr || !model_.vocabulary_) return;
  const std::size_t tokens = model_.vocabulary_->tokens.size();
  if (embedding->rows() != tokens) {
    bad_file(model_.path_.string(), "tensor 'token_embd.weight' has {} rows, but the vocabulary has {} tokens",
             embedding->rows(), tokens);
  }
}

}  // namespace regroup
