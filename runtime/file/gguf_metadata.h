// GGUF's key/value pairs: plain typed values in file order, read through getters that name file, key, found and
// expected type when they refuse.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace regroup {

// The type numbers of the format, which are also the positions in the variants below.
enum class GgufType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
inline constexpr std::uint32_t kGgufTypes = 13;

std::string_view gguf_type_name(GgufType type);

struct GgufArray {
  using Items = std::variant<std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
                             std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>,
                             std::vector<float>, std::vector<bool>, std::vector<std::string>, std::vector<GgufArray>,
                             std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>>;
  Items items;

  // Defined in one place: instances for thirteen types of vectors are not needed in every file that sees a model.
  GgufArray();
  GgufArray(Items values);
  GgufArray(const GgufArray& other);
  GgufArray(GgufArray&&) noexcept;
  GgufArray& operator=(const GgufArray& other);
  GgufArray& operator=(GgufArray&&) noexcept;
  ~GgufArray();

  GgufType element_type() const { return static_cast<GgufType>(items.index()); }
  std::size_t size() const;
};

using GgufValue = std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t,
                               float, bool, std::string, GgufArray, std::uint64_t, std::int64_t, double>;

inline GgufType gguf_type_of(const GgufValue& value) {
  return static_cast<GgufType>(value.index());
}

class GgufMetadata {
 public:
  struct Entry {
    std::string key;
    GgufValue value;
  };

  // `file` is named in errors.
  explicit GgufMetadata(std::string file = "metadata");
  GgufMetadata(const GgufMetadata&);
  GgufMetadata(GgufMetadata&&) noexcept;
  GgufMetadata& operator=(const GgufMetadata&);
  GgufMetadata& operator=(GgufMetadata&&) noexcept;
  ~GgufMetadata();

  const std::vector<Entry>& entries() const { return entries_; }  // in file order
  const GgufValue* find(std::string_view key) const;              // nullptr when there is none
  bool contains(std::string_view key) const { return find(key) != nullptr; }

  // Returns false, and changes nothing, when the key is there already.
  bool add(std::string key, GgufValue value);
  // Replaces in place, or appends.
  void set(std::string_view key, GgufValue value);
  void erase(std::string_view key);

  // get_*: the key must be there. find_*: nothing when it is not. Both throw kBadModel when the value is of another
  // kind: integers may be stored in any integer type as long as the value fits; floats as float32 or float64 and must
  // be finite; nothing else is converted.
  std::uint32_t get_u32(std::string_view key) const;
  std::uint64_t get_u64(std::string_view key) const;
  std::int32_t get_i32(std::string_view key) const;
  float get_f32(std::string_view key) const;
  bool get_bool(std::string_view key) const;
  const std::string& get_string(std::string_view key) const;

  std::optional<std::uint32_t> find_u32(std::string_view key) const;
  std::optional<std::uint64_t> find_u64(std::string_view key) const;
  std::optional<std::int32_t> find_i32(std::string_view key) const;
  std::optional<std::int64_t> find_i64(std::string_view key) const;
  std::optional<float> find_f32(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::string> find_string(std::string_view key) const;

  // Arrays. The element type follows the rules above; NaN in a float array is refused. An array without elements may
  // have any type.
  std::optional<std::vector<std::uint32_t>> find_u32s(std::string_view key) const;
  std::optional<std::vector<std::int32_t>> find_i32s(std::string_view key) const;
  std::optional<std::vector<float>> find_f32s(std::string_view key) const;
  std::optional<std::vector<std::string>> find_strings(std::string_view key) const;
  std::vector<std::uint32_t> get_u32s(std::string_view key) const;
  std::vector<std::int32_t> get_i32s(std::string_view key) const;
  std::vector<float> get_f32s(std::string_view key) const;
  std::vector<std::string> get_strings(std::string_view key) const;

  // True when the value is an array: some keys hold one number for all layers or one per layer.
  bool is_array(std::string_view key) const;

  const std::string& file() const { return file_; }
  // "key 'KEY'", as refusals call it.
  static std::string shown(std::string_view key);
  // Throws kBadModel "FILE: key 'KEY' PROBLEM" for a value that its reader cannot accept.
  [[noreturn]] void refuse(std::string_view key, std::string_view problem) const;

 private:
  template <typename T>
  std::optional<T> find_integer(std::string_view key, std::string_view expected) const;
  template <typename T>
  std::optional<std::vector<T>> find_integers(std::string_view key, std::string_view expected) const;
  const GgufArray* find_array(std::string_view key, std::string_view expected) const;
  [[noreturn]] void refuse_type(std::string_view key, const GgufValue& found, std::string_view expected) const;
  [[noreturn]] void refuse_missing(std::string_view key) const;

  std::string file_;
  std::vector<Entry> entries_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace regroup
