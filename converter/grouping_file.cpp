#include "converter/grouping_file.h"

#include <cstring>

#include "converter/layer_biases.h"
#include "runtime/core/digest.h"
#include "runtime/core/error.h"
#include "runtime/file/byte_cursor.h"
#include "runtime/file/mapped_file.h"
#include "runtime/formats/codec.h"

namespace regroup {
namespace {

constexpr std::string_view kMagic = "RGGROUPS";
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kDigestBytes = Digest::kCharacters;
constexpr std::size_t kLongestName = 32;

std::vector<std::byte> encoded(const WeightRows& rows, WeightFormat format) {
  const auto count = static_cast<std::size_t>(rows.size());
  std::vector<std::byte> out(row_bytes(format, static_cast<std::size_t>(rows.cols())) *
                             static_cast<std::size_t>(rows.rows()));
  format_codec(format).encode(rows.data(), count, out.data());
  return out;
}

std::vector<float> values(const Eigen::VectorXf& vector) {
  return {vector.data(), vector.data() + vector.size()};
}

std::vector<std::byte> take_bytes(ByteCursor& cursor, std::uint64_t count, std::string_view field) {
  const auto part = cursor.take(count, field);
  return {part.begin(), part.end()};
}

std::vector<float> take_floats(ByteCursor& cursor, std::uint64_t count, std::string_view field) {
  const auto part = cursor.take(count * 4, field);
  std::vector<float> out(count);
  std::memcpy(out.data(), part.data(), part.size());
  return out;
}

StoredLayer read_layer(ByteCursor& cursor, const ModelConfig& config, WeightFormat format) {
  StoredLayer layer{.layer = cursor.read<std::uint32_t>("layer number"),
                    .groups = cursor.read<std::uint32_t>("groups"),
                    .format = format};
  if (layer.layer >= config.layer_count()) cursor.fail("layer {} of {}", layer.layer, config.layer_count());
  const std::uint32_t heads = config.layers[layer.layer].kv_heads;
  if (layer.groups == 0 || heads % layer.groups != 0) {
    cursor.fail("layer {} has {} groups of {} KV heads", layer.layer, layer.groups, heads);
  }
  const auto length = cursor.read<std::uint32_t>("length of the method's name");
  if (length > kLongestName) cursor.fail("the method's name has {} bytes", length);
  const auto name = cursor.take(length, "method");
  layer.method.assign(reinterpret_cast<const char*>(name.data()), name.size());
  const bool has_error = cursor.read<std::uint32_t>("whether there is an error") != 0;
  const auto error = cursor.read<double>("error");
  if (has_error) layer.error = error;
  const bool biased = cursor.read<std::uint32_t>("whether there are biases") != 0;
  // Within the ceilings of check_config no product overflows 64 bits.
  const std::uint64_t queries = config.query_columns(), keys = std::uint64_t{layer.groups} * config.head_dim;
  const std::uint64_t row = row_bytes(format, config.hidden);
  layer.query = take_bytes(cursor, queries * row, "query");
  layer.key = take_bytes(cursor, keys * row, "key");
  layer.value = take_bytes(cursor, keys * row, "value");
  layer.output = take_bytes(cursor, config.hidden * std::uint64_t{row_bytes(format, queries)}, "output");
  if (biased) {
    layer.query_bias = take_floats(cursor, queries, "query bias");
    layer.key_bias = take_floats(cursor, keys, "key bias");
    layer.value_bias = take_floats(cursor, keys, "value bias");
  }
  return layer;
}

}  // namespace

MergedProjections StoredLayer::projections() const {
  return {.groups = groups,
          .format = format,
          .query = query,
          .key = key,
          .value = value,
          .output = output,
          .query_bias = query_bias,
          .key_bias = key_bias,
          .value_bias = value_bias};
}

StoredLayer store_layer(const MergedLayer& merged, WeightFormat format) {
  REGROUP_CHECK(merged.is_merged() && (format == WeightFormat::kF32 || format == WeightFormat::kF16));
  const AttentionLayer& a = merged.attention;
  const LayerBiases biases = complete_biases(a);
  return {.layer = merged.layer,
          .groups = a.kv_heads,
          .method = merged.method,
          .error = merged.error,
          .format = format,
          .query = encoded(a.query, format),
          .key = encoded(a.key, format),
          .value = encoded(a.value, format),
          .output = encoded(a.output, format),
          .query_bias = values(biases.query),
          .key_bias = values(biases.key),
          .value_bias = values(biases.value)};
}

struct GroupingFileWriter::State {
  explicit State(const std::filesystem::path& path) : file(path, Overwrite::kYes) {}

  void write(std::span<const std::byte> bytes) {
    digest.add(bytes);
    file.write(bytes);
  }
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  template <typename T>
  void number(T value) {
    write(std::as_bytes(std::span(&value, 1)));
  }

  AtomicFile file;
  Digest digest;
  std::uint32_t expected = 0, written = 0;
};

GroupingFileWriter::GroupingFileWriter(const std::filesystem::path& path, const std::string& key, WeightFormat format,
                                       std::uint32_t layers)
    : state_(std::make_shared<State>(path)) {
  REGROUP_CHECK(key.size() == kDigestBytes);
  state_->expected = layers;
  state_->write(kMagic);
  state_->number(kVersion);
  state_->write(key);
  state_->number(static_cast<std::uint32_t>(format));
  state_->number(layers);
}

void GroupingFileWriter::add(const StoredLayer& layer) {
  State& s = *state_;
  REGROUP_CHECK(s.written < s.expected);
  ++s.written;
  s.number(layer.layer);
  s.number(layer.groups);
  const std::string name = layer.method.substr(0, kLongestName);
  s.number(static_cast<std::uint32_t>(name.size()));
  s.write(name);
  s.number(std::uint32_t{layer.error ? 1u : 0u});
  s.number(layer.error.value_or(0.0));
  s.number(std::uint32_t{layer.query_bias.empty() ? 0u : 1u});
  for (const auto* matrix : {&layer.query, &layer.key, &layer.value, &layer.output}) s.write(*matrix);
  for (const auto* bias : {&layer.query_bias, &layer.key_bias, &layer.value_bias}) {
    s.write(std::as_bytes(std::span(*bias)));
  }
}

void GroupingFileWriter::finish() {
  REGROUP_CHECK(state_->written == state_->expected);
  const std::string digest = state_->digest.finish();
  state_->file.write(std::as_bytes(std::span(digest)));
  state_->file.close();
  state_->file.commit();
}

void read_grouping_file(const std::filesystem::path& path, const std::string& key, const ModelConfig& config,
                        const std::function<void(const StoredLayer&)>& sink) {
  const MappedFile file = MappedFile::open(path);
  const std::string where = escaped(path.string());
  const std::span<const std::byte> bytes = file.bytes();
  ByteCursor cursor(bytes, where, bytes.size() < kDigestBytes ? 0 : bytes.size() - kDigestBytes);
  const auto text = [&](std::size_t count, std::string_view field) {
    const auto part = cursor.take(count, field);
    return std::string_view(reinterpret_cast<const char*>(part.data()), part.size());
  };
  if (text(kMagic.size(), "magic") != kMagic || cursor.read<std::uint32_t>("version") != kVersion) {
    cursor.fail("is no file of merged layers of this version");
  }
  if (text(kDigestBytes, "key") != key) cursor.fail("belongs to another model or other settings");
  const auto format_number = cursor.read<std::uint32_t>("format");
  const WeightFormat format =
      format_number == static_cast<std::uint32_t>(WeightFormat::kF16) ? WeightFormat::kF16 : WeightFormat::kF32;
  if (format_number != static_cast<std::uint32_t>(format)) cursor.fail("has matrices of format {}", format_number);
  const auto count = cursor.read<std::uint32_t>("number of layers");
  if (count > config.layer_count()) cursor.fail("has {} layers, the model {}", count, config.layer_count());

  Digest digest;
  digest.add(bytes.first(bytes.size() - kDigestBytes));
  const auto end = bytes.last(kDigestBytes);
  if (digest.finish() != std::string_view(reinterpret_cast<const char*>(end.data()), end.size())) {
    cursor.fail("is damaged: its checksum does not match");
  }
  // Everything is looked at before anything is used: a second pass hands the layers on.
  for (const bool checking : {true, false}) {
    ByteCursor layers = cursor;
    std::vector<bool> seen(config.layer_count());
    for (std::uint32_t i = 0; i < count; ++i) {
      const StoredLayer layer = read_layer(layers, config, format);
      if (seen[layer.layer]) layers.fail("layer {} comes twice", layer.layer);
      seen[layer.layer] = true;
      if (!checking) sink(layer);
    }
    if (layers.left() != 0) layers.fail("has {} bytes too many", layers.left());
  }
}

}  // namespace regroup
