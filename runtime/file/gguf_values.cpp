#include "runtime/file/gguf_values.h"

#include <type_traits>
#include <utility>

#include "runtime/core/checked.h"
#include "runtime/file/ceilings.h"

namespace regroup {

namespace {

GgufType read_type(ByteCursor& cursor, std::string_view field) {
  const auto number = cursor.read<std::uint32_t>(field);
  if (number >= kGgufTypes) cursor.fail("{} is {}, expected 0 to {}", field, number, kGgufTypes - 1);
  return static_cast<GgufType>(number);
}

bool checked_bool(const ByteCursor& cursor, std::uint8_t byte) {
  if (byte > 1) cursor.fail("bool has value {}, expected 0 or 1", byte);
  return byte == 1;
}

template <typename T>
GgufArray read_numbers(ByteCursor& cursor, std::uint64_t count) {
  const auto size_bytes = checked_mul(count, sizeof(T));
  if (!size_bytes) cursor.fail("array of {} elements is larger than any file", count);
  const std::span<const std::byte> bytes = cursor.take(*size_bytes, "array");
  std::vector<T> values(count);
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return {std::move(values)};
}

GgufArray read_bools(ByteCursor& cursor, std::uint64_t count) {
  std::vector<bool> values;
  for (const std::byte byte : cursor.take(count, "array")) {
    values.push_back(checked_bool(cursor, std::to_integer<std::uint8_t>(byte)));
  }
  return {std::move(values)};
}

void count_items(const ByteCursor& cursor, std::uint64_t count, std::uint64_t least_bytes, std::uint64_t& items_left) {
  if (count > cursor.left() / least_bytes) {
    cursor.fail("array of {} elements of at least {} bytes, the file has {} left; it is truncated or damaged", count,
                least_bytes, cursor.left());
  }
  if (count > items_left) cursor.fail("the file's arrays have more than {} strings and arrays", kMaxMetadataItems);
  items_left -= count;
}

GgufArray read_strings(ByteCursor& cursor, std::uint64_t count, std::uint64_t& items_left) {
  count_items(cursor, count, sizeof(std::uint64_t), items_left);
  // All lengths are checked by walking over them once, so that the second walk allocates only what the file really has.
  ByteCursor walk = cursor;
  for (std::uint64_t i = 0; i < count; ++i) walk.string("string of an array");
  std::vector<std::string> values;
  values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) values.emplace_back(cursor.string("string of an array"));
  return {std::move(values)};
}

GgufArray read_array(ByteCursor& cursor, std::uint32_t depth, std::uint64_t& items_left) {
  const GgufType type = read_type(cursor, "array element type");
  const auto count = cursor.read<std::uint64_t>("array length");
  switch (type) {
    case GgufType::kUint8:
      return read_numbers<std::uint8_t>(cursor, count);
    case GgufType::kInt8:
      return read_numbers<std::int8_t>(cursor, count);
    case GgufType::kUint16:
      return read_numbers<std::uint16_t>(cursor, count);
    case GgufType::kInt16:
      return read_numbers<std::int16_t>(cursor, count);
    case GgufType::kUint32:
      return read_numbers<std::uint32_t>(cursor, count);
    case GgufType::kInt32:
      return read_numbers<std::int32_t>(cursor, count);
    case GgufType::kFloat32:
      return read_numbers<float>(cursor, count);
    case GgufType::kUint64:
      return read_numbers<std::uint64_t>(cursor, count);
    case GgufType::kInt64:
      return read_numbers<std::int64_t>(cursor, count);
    case GgufType::kFloat64:
      return read_numbers<double>(cursor, count);
    case GgufType::kBool:
      return read_bools(cursor, count);
    case GgufType::kString:
      return read_strings(cursor, count, items_left);
    case GgufType::kArray:
      break;
  }
  if (depth >= kMaxArrayDepth) cursor.fail("arrays are nested deeper than {} levels", kMaxArrayDepth);
  count_items(cursor, count, sizeof(std::uint32_t) + sizeof(std::uint64_t), items_left);
  std::vector<GgufArray> values;  // grows only as fast as the file really has arrays
  for (std::uint64_t i = 0; i < count; ++i) values.push_back(read_array(cursor, depth + 1, items_left));
  return {std::move(values)};
}

}  // namespace

GgufValue read_gguf_value(ByteCursor& cursor, std::uint64_t& items_left) {
  switch (read_type(cursor, "value type")) {
    case GgufType::kUint8:
      return cursor.read<std::uint8_t>("value");
    case GgufType::kInt8:
      return cursor.read<std::int8_t>("value");
    case GgufType::kUint16:
      return cursor.read<std::uint16_t>("value");
    case GgufType::kInt16:
      return cursor.read<std::int16_t>("value");
    case GgufType::kUint32:
      return cursor.read<std::uint32_t>("value");
    case GgufType::kInt32:
      return cursor.read<std::int32_t>("value");
    case GgufType::kFloat32:
      return cursor.read<float>("value");
    case GgufType::kUint64:
      return cursor.read<std::uint64_t>("value");
    case GgufType::kInt64:
      return cursor.read<std::int64_t>("value");
    case GgufType::kFloat64:
      return cursor.read<double>("value");
    case GgufType::kBool:
      return checked_bool(cursor, cursor.read<std::uint8_t>("value"));
    case GgufType::kString:
      return std::string(cursor.string("string"));
    case GgufType::kArray:
      break;
  }
  return read_array(cursor, 1, items_left);
}

}  // namespace regroup
