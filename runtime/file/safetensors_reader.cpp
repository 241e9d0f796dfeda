#include "runtime/file/safetensors_reader.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "runtime/core/checked.h"
#include "runtime/core/json_checked.h"
#include "runtime/file/byte_cursor.h"
#include "runtime/file/ceilings.h"

namespace regroup {

namespace {

using nlohmann::json;

struct DataType {
  std::string_view name;
  std::uint32_t bytes;
  bool countable;                      // an integer or bool
  std::optional<WeightFormat> format;  // nothing: cannot be a weight here
};

constexpr std::array kDataTypes = {
    DataType{"F32", 4, false, WeightFormat::kF32},   DataType{"F16", 2, false, WeightFormat::kF16},
    DataType{"BF16", 2, false, WeightFormat::kBF16}, DataType{"F64", 8, false, std::nullopt},
    DataType{"F8_E4M3", 1, false, std::nullopt},     DataType{"F8_E5M2", 1, false, std::nullopt},
    DataType{"BOOL", 1, true, std::nullopt},         DataType{"U8", 1, true, std::nullopt},
    DataType{"I8", 1, true, std::nullopt},           DataType{"U16", 2, true, std::nullopt},
    DataType{"I16", 2, true, std::nullopt},          DataType{"U32", 4, true, std::nullopt},
    DataType{"I32", 4, true, std::nullopt},          DataType{"U64", 8, true, std::nullopt},
    DataType{"I64", 8, true, std::nullopt},
};

// A matrix takes 8: its object, dtype, shape, two dimensions, data_offsets, two offsets. So many have 130000 tensors in
// one file, and checkpoints with more than that are sharded.
constexpr std::size_t kMaxHeaderValues = std::size_t{1} << 20;

// One entry of the header, checked by itself.
struct Entry {
  std::string name;
  DataType type;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin, end;  // bytes from the start of the data
};

class HeaderReader {
 public:
  HeaderReader(std::string_view file, const json& header) : file_(file), header_(header) {}

  std::vector<Entry> entries() {
    std::vector<Entry> out;
    if (header_.size() > kMaxTensors)
      bad_file(file_, "header has {} entries, at most {} are allowed", header_.size(), kMaxTensors);
    for (const auto& [name, fields] : header_.items()) {
      if (name != "__metadata__") out.push_back(entry(name, fields));
    }
    return out;
  }

  std::map<std::string, std::string> metadata() const {
    std::map<std::string, std::string> out;
    const auto place = header_.find("__metadata__");
    if (place == header_.end()) return out;
    if (!place->is_object()) bad_file(file_, "__metadata__ is {}, expected an object of strings", place->type_name());
    for (const auto& [key, value] : place->items()) {
      if (!value.is_string())
        bad_file(file_, "__metadata__ '{}' is {}, expected a string", escaped(key), value.type_name());
      out.emplace(key, value.get<std::string>());
    }
    return out;
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    bad_file(file_, "tensor '{}': {}", escaped(name_), fmt::format(format, std::forward<Args>(args)...));
  }

  const json& field(const json& fields, const char* key) const {
    const auto place = fields.find(key);
    if (place == fields.end()) fail("has no {}", key);
    return *place;
  }

  std::uint64_t whole_number(const json& value, std::string_view what) const {
    if (!value.is_number_unsigned())
      fail("{} is {}, expected a whole number", what, escaped(value.dump().substr(0, 40)));
    return value.get<std::uint64_t>();
  }

  Entry entry(const std::string& name, const json& fields) {
    name_ = name;
    if (name.empty() || name.size() > kMaxSafetensorsNameBytes) {
      fail("name has {} bytes, expected 1 to {}", name.size(), kMaxSafetensorsNameBytes);
    }
    if (!fields.is_object()) fail("is {}, expected an object with dtype, shape and data_offsets", fields.type_name());
    Entry out{.name = name,
              .type = data_type(field(fields, "dtype")),
              .shape = shape(field(fields, "shape")),
              .begin = 0,
              .end = 0};
    const json& offsets = field(fields, "data_offsets");
    if (!offsets.is_array() || offsets.size() != 2) fail("data_offsets is not a pair of numbers");
    out.begin = whole_number(offsets[0], "data_offsets");
    out.end = whole_number(offsets[1], "data_offsets");
    const std::uint64_t size_bytes = checked_size_bytes(out);
    if (out.begin > out.end || out.end - out.begin != size_bytes) {
      fail("data_offsets [{}, {}] do not span the {} bytes of its shape", out.begin, out.end, size_bytes);
    }
    return out;
  }

  DataType data_type(const json& value) const {
    if (!value.is_string()) fail("dtype is {}, expected a string", value.type_name());
    const auto& text = value.get_ref<const std::string&>();
    const auto found =
        std::find_if(kDataTypes.begin(), kDataTypes.end(), [&](const DataType& type) { return type.name == text; });
    if (found == kDataTypes.end()) fail("dtype '{}' is unknown; F32, F16 and BF16 can be read", escaped(text, 40));
    return *found;
  }

  std::vector<std::uint64_t> shape(const json& value) const {
    if (!value.is_array()) fail("shape is {}, expected an array", value.type_name());
    if (value.size() > kMaxSafetensorsDimensions) {
      fail("has {} dimensions, at most {} are allowed", value.size(), kMaxSafetensorsDimensions);
    }
    std::vector<std::uint64_t> out;
    for (const json& dimension : value) {
      out.push_back(whole_number(dimension, "dimension"));
    }
    if (out.empty()) out.push_back(1);  // a scalar
    return out;
  }

  std::uint64_t checked_size_bytes(const Entry& entry) const {
    std::optional<std::uint64_t> bytes = entry.type.bytes;
    for (const std::uint64_t dimension : entry.shape) bytes = bytes ? checked_mul(*bytes, dimension) : bytes;
    if (!bytes) fail("shape {} has more bytes than 64 bits can count", fmt::join(entry.shape, " x "));
    return *bytes;
  }

  std::string_view file_;
  const json& header_;
  std::string name_;
};

json read_header(ByteCursor& cursor) {
  const auto header_bytes = cursor.read<std::uint64_t>("header length");
  if (header_bytes > kMaxTensorListBytes) {
    cursor.fail("header length is {} bytes, at most {} are allowed; is this a safetensors file?", header_bytes,
                kMaxTensorListBytes);
  }
  const auto bytes = cursor.take(header_bytes, "header");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with('{')) cursor.fail("header does not begin with '{{'");
  json header = parse_json_checked(text, cursor.file(), kMaxTensorListBytes, kMaxHeaderValues);
  if (!header.is_object()) cursor.fail("header is {}, expected an object", header.type_name());
  return header;
}

void check_cover(std::string_view file, std::vector<Entry>& entries, std::uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      bad_file(file, "tensor '{}': its data begins at {}, expected {}, where the data before it ends",
               escaped(entry.name), entry.begin, covered);
    }
    if (entry.end > data_bytes) {
      bad_file(
          file,
          "tensor '{}': its data ends at {}, the file has {} bytes of data; it is truncated or damaged, fetch it again",
          escaped(entry.name), entry.end, data_bytes);
    }
    covered = entry.end;
  }
  if (covered != data_bytes) {
    bad_file(file, "data has {} bytes, but the tensors end at {}; nothing else may stand in the file", data_bytes,
             covered);
  }
}

}  // namespace

SafetensorsContents parse_safetensors(std::span<const std::byte> file_bytes, std::string_view file,
                                      const std::function<bool(std::string_view)>& may_skip,
                                      const std::function<bool(std::string_view)>& is_unused) {
  ByteCursor cursor(file_bytes, file, file_bytes.size());
  const json header = read_header(cursor);
  HeaderReader reader(file, header);
  SafetensorsContents contents{.metadata = reader.metadata(), .tensors = {}, .skipped = {}};
  std::vector<Entry> entries = reader.entries();
  const auto data = file_bytes.subspan(cursor.position());
  check_cover(file, entries, data.size());
  for (Entry& entry : entries) {
    const bool unused = is_unused && is_unused(entry.name);
    const auto nothing = std::find(entry.shape.begin(), entry.shape.end(), 0u);
    if (nothing != entry.shape.end() && !unused) {
      bad_file(file, "tensor '{}': dimension {} is 0, expected at least 1", escaped(entry.name),
               nothing - entry.shape.begin());
    }
    if (entry.type.format && nothing == entry.shape.end()) {
      contents.tensors.push_back({.name = std::move(entry.name),
                                  .format = *entry.type.format,
                                  .shape = std::move(entry.shape),
                                  .bytes = data.subspan(entry.begin, entry.end - entry.begin)});
    } else if (unused || (entry.type.countable && may_skip && may_skip(entry.name))) {
      contents.skipped.push_back(std::move(entry.name));
    } else {
      bad_file(file, "tensor '{}': has dtype {}, which is no supported weight format; F32, F16 and BF16 can be read",
               escaped(entry.name), entry.type.name);
    }
  }
  return contents;
}

}  // namespace regroup
