// Builds GGUF files in memory for tests, right ones and wrong ones: every count, type, length and offset can be made to
// lie.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace regroup::test {

// The number's bytes as the file has them.
template <typename T>
std::string le(T value) {
  static_assert(std::is_arithmetic_v<T>);
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

// A string with its length in front.
inline std::string counted(std::string_view text) {
  return le<std::uint64_t>(text.size()) + std::string(text);
}

class GgufBuilder {
 public:
  enum Type : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

  struct Tensor {
    std::string name = "t";
    std::vector<std::uint64_t> dimensions = {4};  // innermost first, as in the file
    std::uint32_t type = 0;                       // f32
    std::string data = std::string(16, '\1');
    std::optional<std::uint64_t> offset = {};           // told instead of the true one
    std::optional<std::uint32_t> dimension_count = {};  // told instead of the true one
    std::optional<std::uint64_t> name_length = {};      // told instead of the true one
  };

  // Lies, where set.
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> tensor_count, key_count;
  std::uint64_t alignment = 32;  // of the data; say it in general.alignment too
  bool pad_end = true;           // the last tensor is padded too
  std::uint64_t gap_bytes = 0;   // between tensors, a multiple of the alignment

  // A pair with any bytes as its value.
  GgufBuilder& raw(std::string_view key, std::uint32_t type, std::string_view value) {
    return raw_pair(counted(key) + le(type) + std::string(value));
  }
  // A pair with any bytes at all.
  GgufBuilder& raw_pair(std::string bytes) {
    pairs_ += bytes;
    ++pair_count_;
    return *this;
  }

  GgufBuilder& u32(std::string_view key, std::uint32_t value) { return raw(key, kU32, le(value)); }
  GgufBuilder& i32(std::string_view key, std::int32_t value) { return raw(key, kI32, le(value)); }
  GgufBuilder& u16(std::string_view key, std::uint16_t value) { return raw(key, kU16, le(value)); }
  GgufBuilder& u64(std::string_view key, std::uint64_t value) { return raw(key, kU64, le(value)); }
  GgufBuilder& f32(std::string_view key, float value) { return raw(key, kF32, le(value)); }
  GgufBuilder& boolean(std::string_view key, bool value) { return raw(key, kBool, le<std::uint8_t>(value ? 1 : 0)); }
  GgufBuilder& string(std::string_view key, std::string_view value) { return raw(key, kString, counted(value)); }

  // `type` names the element type that T stands for.
  template <typename T>
  GgufBuilder& array(std::string_view key, Type type, const std::vector<T>& values) {
    return raw(key, kArray, array_value(type, values));
  }
  GgufBuilder& strings(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes = le<std::uint32_t>(kString) + le<std::uint64_t>(values.size());
    for (const std::string& value : values) bytes += counted(value);
    return raw(key, kArray, bytes);
  }
  template <typename T>
  static std::string array_value(Type type, const std::vector<T>& values) {
    std::string bytes = le<std::uint32_t>(type) + le<std::uint64_t>(values.size());
    for (const T value : values) bytes += le(value);
    return bytes;
  }

  GgufBuilder& tensor(Tensor tensor) {
    tensors_.push_back(std::move(tensor));
    return *this;
  }

  // The whole file.
  std::string build() const {
    std::string out = header();
    if (!tensors_.empty() || pad_end) pad(out);
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      out += tensors_[i].data;
      if (i + 1 < tensors_.size() || pad_end) pad(out);
      if (i + 1 < tensors_.size()) out.append(gap_bytes, '\0');
    }
    return out;
  }

  // Without the data.
  std::string header() const {
    std::string out = magic + le(version) + le<std::uint64_t>(tensor_count.value_or(tensors_.size())) +
                      le<std::uint64_t>(key_count.value_or(pair_count_)) + pairs_;
    std::uint64_t offset = 0;
    for (const Tensor& t : tensors_) {
      out += le<std::uint64_t>(t.name_length.value_or(t.name.size())) + t.name;
      out += le<std::uint32_t>(t.dimension_count.value_or(static_cast<std::uint32_t>(t.dimensions.size())));
      for (const std::uint64_t dimension : t.dimensions) out += le(dimension);
      out += le(t.type) + le<std::uint64_t>(t.offset.value_or(offset));
      offset += (t.data.size() + alignment - 1) / alignment * alignment + gap_bytes;
    }
    return out;
  }

 private:
  void pad(std::string& out) const { out.resize((out.size() + alignment - 1) / alignment * alignment, '\0'); }

  std::string pairs_;
  std::uint64_t pair_count_ = 0;
  std::vector<Tensor> tensors_;
};

}  // namespace regroup::test
