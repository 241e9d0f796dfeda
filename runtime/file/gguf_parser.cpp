#include "runtime/file/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "runtime/core/checked.h"
#include "runtime/core/utf8.h"
#include "runtime/file/byte_cursor.h"
#include "runtime/file/ceilings.h"
#include "runtime/file/gguf_tensor_type.h"
#include "runtime/file/gguf_values.h"
#include "runtime/file/unused_tensor.h"

namespace regroup {

namespace {

// The least that the format can spend on one of each; a count larger than what is left allows is damage.
constexpr std::uint64_t kLeastPairBytes = 8 + 1 + 4 + 1;  // key length, key, type, value
constexpr std::uint64_t kLeastTensorBytes =
    8 + 1 + 4 + 8 + 4 + 8;  // name length, name, dimensions, one of them, type, offset

// A tensor's place in the file, before it is checked against the others; also of one that is left out.
struct Placement {
  std::string_view name;       // in the file
  std::uint64_t offset_bytes;  // from the start of the data
  std::uint64_t size_bytes;
};

struct Counts {
  std::uint64_t tensors, pairs;
};

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// UTF-8 without control characters.
bool is_clean_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    if (!step.valid || step.code_point < 0x20 || step.code_point == 0x7f) return false;
    at += step.bytes;
  }
  return true;
}

std::uint32_t read_version(ByteCursor& cursor) {
  constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
  if (cursor.read<std::uint32_t>("magic") != kMagic) cursor.fail("does not begin with 'GGUF'");
  const auto version = cursor.read<std::uint32_t>("version");
  if (version != 0 && (version & 0xffff) == 0) {
    cursor.fail("is a big-endian GGUF file; only little-endian files can be read, convert it first");
  }
  if (version == 1) cursor.fail("is GGUF version 1, which is obsolete; versions 2 and 3 can be read, convert it first");
  if (version != 2 && version != 3) cursor.fail("GGUF version is {}, expected 2 or 3", version);
  return version;
}

Counts read_counts(ByteCursor& cursor) {
  Counts counts = {};
  counts.tensors = cursor.read<std::uint64_t>("tensor count");
  counts.pairs = cursor.read<std::uint64_t>("key count");
  if (counts.tensors > cursor.left() / kLeastTensorBytes || counts.tensors > kMaxTensors) {
    cursor.fail("tensor count is {}, but {} bytes are left and at most {} tensors are allowed", counts.tensors,
                cursor.left(), kMaxTensors);
  }
  if (counts.pairs > cursor.left() / kLeastPairBytes || counts.pairs > kMaxMetadataKeys) {
    cursor.fail("key count is {}, but {} bytes are left and at most {} keys are allowed", counts.pairs, cursor.left(),
                kMaxMetadataKeys);
  }
  return counts;
}

void read_pairs(ByteCursor& cursor, std::uint64_t count, GgufMetadata& metadata) {
  std::uint64_t items_left = kMaxMetadataItems;
  for (std::uint64_t i = 0; i < count; ++i) {
    cursor.enter(fmt::format("key number {} of {}", i + 1, count));
    const std::string_view key = cursor.string("key");
    if (key.empty() || key.size() > kMaxKeyBytes) {
      cursor.fail("has {} bytes, expected 1 to {}", key.size(), kMaxKeyBytes);
    }
    if (!is_printable_ascii(key)) cursor.fail("'{}' is not printable ASCII", escaped(key));
    cursor.enter(fmt::format("key '{}'", escaped(key)));
    if (metadata.contains(key)) cursor.fail("occurs twice");
    metadata.add(std::string(key), read_gguf_value(cursor, items_left));
  }
  cursor.enter("");
}

std::uint32_t checked_alignment(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "general.alignment";
  const GgufValue* value = metadata.find(kKey);
  if (value == nullptr) return kGgufDefaultAlignment;
  const auto* alignment = std::get_if<std::uint32_t>(value);
  if (alignment == nullptr) {
    metadata.refuse(kKey, fmt::format("has type {}, expected uint32", gguf_type_name(gguf_type_of(*value))));
  }
  if (!std::has_single_bit(*alignment) || *alignment < kMinAlignment || *alignment > kMaxAlignment) {
    metadata.refuse(
        kKey, fmt::format("is {}, expected a power of two from {} to {}", *alignment, kMinAlignment, kMaxAlignment));
  }
  return *alignment;
}

// The tensor's size in the file, every product checked. shape is outermost first.
std::uint64_t checked_size_bytes(const ByteCursor& cursor, const GgufTensorType& type,
                                 const std::vector<std::uint64_t>& shape) {
  const std::uint64_t columns = shape.back();
  if (columns % type.block_elements != 0) {
    cursor.fail("rows of {} elements are not whole {} blocks of {}", columns, type.name, type.block_elements);
  }
  std::optional<std::uint64_t> elements = 1;
  for (const std::uint64_t dimension : shape) elements = elements ? checked_mul(*elements, dimension) : elements;
  const auto bytes = elements ? checked_mul(*elements / type.block_elements, type.block_bytes) : elements;
  if (!bytes) cursor.fail("shape {} has more elements than 64 bits can count", fmt::join(shape, " x "));
  return *bytes;
}

// Nothing for a tensor that no model has and whose type cannot be read: `skipped` gets its name.
std::optional<FileTensor> read_tensor(ByteCursor& cursor, std::uint32_t alignment, Placement& placement,
                                      std::vector<std::string>& skipped) {
  const std::string_view name = cursor.string("name");
  if (name.empty() || name.size() > kMaxGgufNameBytes) {
    cursor.fail("name has {} bytes, expected 1 to {}", name.size(), kMaxGgufNameBytes);
  }
  placement.name = name;
  cursor.enter(fmt::format("tensor '{}'", escaped(name)));
  if (!is_clean_text(name)) cursor.fail("the name is not UTF-8 without control characters");

  FileTensor tensor{.name = std::string(name), .format = WeightFormat::kF32, .shape = {}, .bytes = {}};
  const auto dimensions = cursor.read<std::uint32_t>("number of dimensions");
  if (dimensions < 1 || dimensions > kMaxGgufDimensions) {
    cursor.fail("has {} dimensions, expected 1 to {}", dimensions, kMaxGgufDimensions);
  }
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto dimension = cursor.read<std::uint64_t>("dimension");
    if (dimension == 0) cursor.fail("dimension {} is 0, expected at least 1", i);
    tensor.shape.push_back(dimension);
  }
  std::reverse(tensor.shape.begin(), tensor.shape.end());  // the file has the innermost first

  const auto number = cursor.read<std::uint32_t>("type");
  const GgufTensorType* type = find_gguf_tensor_type(number);
  const std::optional<WeightFormat> format = weight_format_from_gguf(number);
  if (type == nullptr || (!format && may_be_weight(name, ModelFileKind::kGguf))) {
    cursor.fail("has {}, which is no supported weight format", gguf_tensor_type_name(number));
  }
  if (format) tensor.format = *format;
  placement.size_bytes = checked_size_bytes(cursor, *type, tensor.shape);
  placement.offset_bytes = cursor.read<std::uint64_t>("offset");
  if (placement.offset_bytes % alignment != 0) {
    cursor.fail("offset {} is not a multiple of the alignment {}", placement.offset_bytes, alignment);
  }
  if (!format) {
    skipped.push_back(std::move(tensor.name));
    return std::nullopt;
  }
  return tensor;
}

void check_no_overlap(std::string_view file, std::vector<Placement> placements) {
  std::stable_sort(placements.begin(), placements.end(),
                   [](const Placement& a, const Placement& b) { return a.offset_bytes < b.offset_bytes; });
  for (std::size_t i = 1; i < placements.size(); ++i) {
    const Placement& before = placements[i - 1];
    const Placement& here = placements[i];
    if (before.offset_bytes + before.size_bytes >
        here.offset_bytes) {  // cannot wrap: both were compared with the file's size
      bad_file(file, "tensor '{}': its data at offset {} overlaps tensor '{}', which ends at {}", escaped(here.name),
               here.offset_bytes, escaped(before.name), before.offset_bytes + before.size_bytes);
    }
  }
}

// Where data lies behind all tensors and something else than padding behind their list, the header counts too few of
// them: what is left out would change the result unseen.
void check_count(std::string_view file, const GgufContents& contents, std::span<const std::byte> file_bytes,
                 std::uint64_t list_end, const std::vector<Placement>& placements) {
  if (file_bytes.size() <= contents.data_start_bytes) return;
  std::uint64_t data_end = contents.data_start_bytes;
  for (const Placement& place : placements)
    data_end = std::max(data_end, contents.data_start_bytes + place.offset_bytes + place.size_bytes);
  const std::uint64_t left = file_bytes.size() - data_end;
  const auto padding = file_bytes.subspan(list_end, contents.data_start_bytes - list_end);
  const bool padded = std::all_of(padding.begin(), padding.end(), [](std::byte b) { return b == std::byte{0}; });
  if (padded || left < contents.alignment) return;
  bad_file(file, "the header counts {} tensors, but their list goes on behind them and {} bytes belong to none of them",
           placements.size(), left);
}

void read_tensors(ByteCursor& cursor, std::uint64_t count, GgufContents& contents,
                  std::span<const std::byte> file_bytes) {
  std::vector<Placement> placements;
  std::vector<std::size_t> place_of;  // of each tensor that is read
  std::set<std::string_view> names;
  for (std::uint64_t i = 0; i < count; ++i) {
    cursor.enter(fmt::format("tensor number {} of {}", i + 1, count));
    Placement placement = {};
    std::optional<FileTensor> tensor = read_tensor(cursor, contents.alignment, placement, contents.skipped);
    if (!names.insert(placement.name).second) cursor.fail("occurs twice");
    placements.push_back(placement);
    if (!tensor) continue;
    contents.tensors.push_back(std::move(*tensor));
    place_of.push_back(i);
  }
  cursor.enter("");
  const auto data_start = checked_round_up(cursor.position(), contents.alignment);
  contents.data_start_bytes = *data_start;  // the position is at most 256 MiB
  const std::uint64_t data_bytes =
      file_bytes.size() > contents.data_start_bytes ? file_bytes.size() - contents.data_start_bytes : 0;
  for (const Placement& place : placements) {
    const auto end = checked_add(place.offset_bytes, place.size_bytes);
    if (!end || *end > data_bytes) {
      bad_file(cursor.file(),
               "tensor '{}': {} bytes at offset {} of the data, which has {} bytes; the file is truncated or damaged, "
               "fetch it again",
               escaped(place.name), place.size_bytes, place.offset_bytes, data_bytes);
    }
  }
  for (std::size_t i = 0; i < place_of.size(); ++i) {
    const Placement& place = placements[place_of[i]];
    contents.tensors[i].bytes = file_bytes.subspan(contents.data_start_bytes + place.offset_bytes, place.size_bytes);
  }
  check_no_overlap(cursor.file(), placements);
  check_count(cursor.file(), contents, file_bytes, cursor.position(), placements);
}

}  // namespace

GgufContents parse_gguf(std::span<const std::byte> file_bytes, std::string_view file) {
  ByteCursor cursor(file_bytes, file, kMaxMetadataBytes);
  GgufContents contents{.metadata = GgufMetadata(std::string(file)), .tensors = {}};
  contents.version = read_version(cursor);
  const Counts counts = read_counts(cursor);
  read_pairs(cursor, counts.pairs, contents.metadata);
  contents.alignment = checked_alignment(contents.metadata);
  read_tensors(cursor, counts.tensors, contents, file_bytes);
  return contents;
}

}  // namespace regroup
