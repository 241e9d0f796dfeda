#include "runtime/file/hugging_face_reader.h"

#include <algorithm>
#include <array>
#include <set>
#include <system_error>
#include <utility>

#include "runtime/core/json_checked.h"
#include "runtime/core/utf8.h"
#include "runtime/file/bad_file.h"
#include "runtime/file/ceilings.h"
#include "runtime/file/generation_ids.h"
#include "runtime/file/safetensors_reader.h"
#include "runtime/file/unused_tensor.h"

namespace regroup {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

bool is_there(const fs::path& path) {
  std::error_code unused;
  return fs::exists(path, unused);
}

// Buffers that old checkpoints carry though they follow from the config: causal masks and position numbers. Only these
// may be integers or bools; any other integer tensor is a quantised weight that cannot be read, and dropping it would
// go unnoticed.
bool is_derived_buffer(std::string_view name) {
  constexpr std::array<std::string_view, 6> kEndings = {
      ".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".position_ids", ".causal_mask"};
  return name == "position_ids" ||
         std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

// The names in a directory that may help the user to see what was meant.
std::string describe_contents(const fs::path& directory) {
  constexpr std::size_t kShown = 4;
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    names.insert(entry->path().filename().string());
  }
  if (names.empty()) return "it is empty";
  std::string shown;
  for (const std::string& name : names) {
    if (name.ends_with(".gguf")) return fmt::format("it holds '{}', give that file", escaped(name));
  }
  std::size_t count = 0;
  for (const std::string& name : names) {
    if (++count > kShown) break;
    shown += fmt::format("{}'{}'", shown.empty() ? "" : ", ", escaped(name));
  }
  return fmt::format("it holds {}{}", shown, names.size() > kShown ? " and more" : "");
}

bool is_plain_file_name(std::string_view name) {
  constexpr std::string_view kEnding = ".safetensors";
  return name.size() > kEnding.size() && name.size() <= 255 && name.ends_with(kEnding) &&
         name.find_first_of(std::string_view("/\\:\0", 4)) == name.npos;
}

}  // namespace

ModelFile HuggingFaceReader::open(const fs::path& directory) {
  HuggingFaceReader reader(directory);
  reader.model_.kind_ = ModelFileKind::kHuggingFace;
  reader.read_config();
  reader.check_limits();
  reader.read_weights();
  reader.read_tokenizer();
  return std::move(reader.model_);
}

std::string HuggingFaceReader::read_text(const char* file_name, std::uint64_t max_bytes) const {
  const fs::path path = model_.path_ / file_name;
  if (!is_there(path)) return {};
  const MappedFile file = MappedFile::open(path);
  if (file.bytes().size() > max_bytes) {
    bad_file(path.string(), "has {} bytes, at most {} are allowed", file.bytes().size(), max_bytes);
  }
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void HuggingFaceReader::read_config() {
  const fs::path path = model_.path_ / "config.json";
  if (!is_there(path)) {
    bad_file(model_.path_.string(), "the directory has no config.json; {}", describe_contents(model_.path_));
  }
  model_.config_ = std::make_shared<const nlohmann::json>(parse_json_checked(
      read_text("config.json", kMaxModelConfigBytes), path.string(), kMaxModelConfigBytes, kMaxModelConfigValues));
  if (!model_.config().is_object()) {
    bad_file(path.string(), "is {}, expected an object", model_.config().type_name());
  }
}

void HuggingFaceReader::check_limits() const {
  struct Limit {
    const char* key;
    std::uint64_t least, most;
  };
  // Each family has its own names for the same things.
  static constexpr Limit kLimits[] = {
      {"num_hidden_layers", 1, kMaxLayers},
      {"num_layers", 1, kMaxLayers},
      {"n_layer", 1, kMaxLayers},
      {"num_decoder_layers", 1, kMaxLayers},
      {"num_attention_heads", 1, kMaxHeads},
      {"num_key_value_heads", 1, kMaxHeads},
      {"n_head", 1, kMaxHeads},
      {"num_heads", 1, kMaxHeads},
      {"vocab_size", 1, kMaxVocabulary},
      {"max_position_embeddings", 1, kMaxContext},
      {"n_positions", 1, kMaxContext},
      {"n_ctx", 1, kMaxContext},
  };
  for (const Limit& limit : kLimits) {
    const auto value = model_.config().find(limit.key);
    if (value == model_.config().end() || value->is_null()) continue;
    if (!is_whole_number(*value, limit.most) || value->get<std::uint64_t>() < limit.least) {
      bad_file((model_.path_ / "config.json").string(), "{} is {}, expected a whole number from {} to {}", limit.key,
               escaped(value->dump().substr(0, 60)), limit.least, limit.most);
    }
  }
}

void HuggingFaceReader::read_weights() {
  if (is_there(model_.path_ / kWeights)) {
    read_shard(kWeights, nullptr);
  } else if (is_there(model_.path_ / kIndex)) {
    read_index(model_.path_ / kIndex);
  } else {
    bad_file(model_.path_.string(), "the directory has neither {} nor {}; {}", kWeights, kIndex,
             describe_contents(model_.path_));
  }
}

void HuggingFaceReader::read_index(const fs::path& index_path) {
  const std::string file = index_path.string();
  const json index =
      parse_json_checked(read_text(kIndex, kMaxTensorListBytes), file, kMaxTensorListBytes, 2 * kMaxTensors);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    bad_file(file, "has no object weight_map");
  }
  std::map<std::string, std::string> shard_of;
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string())
      bad_file(file, "weight_map '{}' is {}, expected a file name", escaped(tensor), shard.type_name());
    const auto& name = shard.get_ref<const std::string&>();
    if (!is_plain_file_name(name)) {
      bad_file(file, "weight_map '{}' is '{}', expected the plain name of a .safetensors file of the same directory",
               escaped(tensor), escaped(name));
    }
    shard_of.emplace(tensor, name);
    shards.insert(name);
  }
  if (shards.empty()) bad_file(file, "weight_map is empty");
  for (const std::string& shard : shards) {
    if (!is_there(model_.path_ / shard)) bad_file(file, "shard '{}' is not in the directory", escaped(shard));
    read_shard(shard, &shard_of);
  }
  for (const auto& [tensor, shard] : shard_of) {
    if (model_.by_name_.contains(tensor) || skipped_.contains(tensor)) continue;
    bad_file((model_.path_ / shard).string(), "tensor '{}' is missing, though {} says that it is here", escaped(tensor),
             kIndex);
  }
}

void HuggingFaceReader::read_shard(const std::string& file_name, const std::map<std::string, std::string>* index) {
  const fs::path path = model_.path_ / file_name;
  MappedFile file = MappedFile::open(path);
  const auto is_unused = [](std::string_view name) { return !may_be_weight(name, ModelFileKind::kHuggingFace); };
  SafetensorsContents contents = parse_safetensors(file.bytes(), path.string(), is_derived_buffer, is_unused);

  for (FileTensor& tensor : contents.tensors) {
    if (index != nullptr) {
      const auto place = index->find(tensor.name);
      if (place == index->end()) bad_file(path.string(), "tensor '{}' is not in {}", escaped(tensor.name), kIndex);
      if (place->second != file_name) {
        bad_file(path.string(), "tensor '{}' belongs to '{}' according to {}", escaped(tensor.name),
                 escaped(place->second), kIndex);
      }
    }
    if (!model_.by_name_.emplace(tensor.name, model_.tensors_.size()).second) {
      bad_file(path.string(), "tensor '{}' is also in an earlier shard", escaped(tensor.name));
    }
    model_.tensors_.push_back(std::move(tensor));
  }
  for (std::string& name : contents.skipped) {
    if (is_unused(name) && !is_derived_buffer(name)) model_.skipped_tensors_.push_back(name);
    skipped_.insert(std::move(name));
  }
  model_.file_bytes_ += file.bytes().size();
  model_.files_.push_back(std::move(file));
}

std::string HuggingFaceReader::read_side_file(const char* file_name, std::uint64_t max_bytes) const {
  const fs::path path = model_.path_ / file_name;
  std::error_code unused;
  if (!fs::exists(fs::symlink_status(path, unused))) return {};
  if (!is_there(path)) bad_file(path.string(), "is a link that leads to no file; fetch it again");
  std::string text = read_text(file_name, max_bytes);
  if (text.empty()) bad_file(path.string(), "is empty; fetch it again");
  return text;
}

void HuggingFaceReader::read_tokenizer() {
  model_.tokenizer_json_ = read_side_file("tokenizer.json", kMaxSideFileBytes);
  model_.tokenizer_config_json_ = read_side_file("tokenizer_config.json", kMaxConfigBytes);
  model_.added_tokens_json_ = read_side_file("added_tokens.json", kMaxConfigBytes);
  constexpr const char* kGeneration = "generation_config.json";
  model_.generation_config_json_ =
      with_end_ids(read_side_file(kGeneration, kMaxModelConfigBytes), (model_.path_ / kGeneration).string(),
                   model_.config(), (model_.path_ / "config.json").string());
  const std::string pieces = read_side_file("tokenizer.model", kMaxSideFileBytes);
  const auto bytes = std::as_bytes(std::span(pieces));
  model_.sentencepiece_model_.assign(bytes.begin(), bytes.end());
  read_chat_template();
}

void HuggingFaceReader::read_chat_template() {
  constexpr const char* kFile = "chat_template.jinja";
  std::string text = read_side_file(kFile, kMaxChatTemplateBytes);
  const std::string path = (model_.path_ / kFile).string();
  if (text.find('\0') != std::string::npos) bad_file(path, "has a zero byte, which no template has");
  if (replace_invalid_utf8(text) != text) bad_file(path, "is not UTF-8");
  model_.chat_template_ = std::move(text);
}

}  // namespace regroup
