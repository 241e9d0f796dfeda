#include "runtime/file/gguf_metadata.h"

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "runtime/file/bad_file.h"

namespace regroup {

namespace {

template <typename T>
constexpr bool kIsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;

std::string describe(const GgufValue& value) {
  const std::string_view type = gguf_type_name(gguf_type_of(value));
  return std::visit(
      [&](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, GgufArray>) {
          return fmt::format("an array of {} {}", v.size(), gguf_type_name(v.element_type()));
        } else if constexpr (std::is_same_v<T, std::string>) {
          return fmt::format("the string '{}'", escaped(v, 60));
        } else {
          return fmt::format("{} ({})", v, type);
        }
      },
      value);
}

}  // namespace

GgufArray::GgufArray() = default;
GgufArray::GgufArray(Items values) : items(std::move(values)) {}
GgufArray::GgufArray(GgufArray&&) noexcept = default;
GgufArray& GgufArray::operator=(GgufArray&&) noexcept = default;
GgufArray::~GgufArray() = default;

// The items are copied before the variant is made of them: where the copy of a vector runs out of memory inside the
// copy of a variant, libstdc++ (12) destroys what was never there.
GgufArray::GgufArray(const GgufArray& other)
    : items(std::visit([](const auto& values) -> Items { return std::decay_t<decltype(values)>(values); },
                       other.items)) {}
GgufArray& GgufArray::operator=(const GgufArray& other) {
  return *this = GgufArray(other);
}

std::size_t GgufArray::size() const {
  return std::visit([](const auto& values) { return values.size(); }, items);
}

GgufMetadata::GgufMetadata(std::string file) : file_(std::move(file)) {}
GgufMetadata::GgufMetadata(const GgufMetadata&) = default;
GgufMetadata::GgufMetadata(GgufMetadata&&) noexcept = default;
GgufMetadata& GgufMetadata::operator=(const GgufMetadata&) = default;
GgufMetadata& GgufMetadata::operator=(GgufMetadata&&) noexcept = default;
GgufMetadata::~GgufMetadata() = default;

std::string_view gguf_type_name(GgufType type) {
  static constexpr std::array<std::string_view, kGgufTypes> kNames = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                                                      "int32",  "float32", "bool",   "string", "array",
                                                                      "uint64", "int64",   "float64"};
  const auto number = static_cast<std::uint32_t>(type);
  return number < kGgufTypes ? kNames[number] : "unknown";
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto place = index_.find(key);
  return place == index_.end() ? nullptr : &entries_[place->second].value;
}

bool GgufMetadata::add(std::string key, GgufValue value) {
  if (!index_.emplace(key, entries_.size()).second) return false;
  entries_.push_back({std::move(key), std::move(value)});
  return true;
}

void GgufMetadata::set(std::string_view key, GgufValue value) {
  const auto place = index_.find(key);
  if (place == index_.end()) {
    add(std::string(key), std::move(value));
  } else {
    entries_[place->second].value = std::move(value);
  }
}

void GgufMetadata::erase(std::string_view key) {
  const auto place = index_.find(key);
  if (place == index_.end()) return;
  const std::size_t at = place->second;
  index_.erase(place);
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at));
  for (auto& [name, position] : index_) {
    if (position > at) --position;
  }
}

std::string GgufMetadata::shown(std::string_view key) {
  return fmt::format("key '{}'", escaped(key));
}

void GgufMetadata::refuse(std::string_view key, std::string_view problem) const {
  bad_file(file_, "{} {}", shown(key), problem);
}

void GgufMetadata::refuse_type(std::string_view key, const GgufValue& found, std::string_view expected) const {
  refuse(key, fmt::format("is {}, expected {}", describe(found), expected));
}

void GgufMetadata::refuse_missing(std::string_view key) const {
  refuse(key, "is missing; the model cannot be read without it");
}

template <typename T>
std::optional<T> GgufMetadata::find_integer(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  return std::visit(
      [&](const auto& v) -> T {
        if constexpr (kIsInteger<std::decay_t<decltype(v)>>) {
          if (std::in_range<T>(v)) return static_cast<T>(v);
        }
        refuse_type(key, *value, expected);
      },
      *value);
}

const GgufArray* GgufMetadata::find_array(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* array = std::get_if<GgufArray>(value);
  if (array == nullptr) refuse_type(key, *value, expected);
  return array;
}

template <typename T>
std::optional<std::vector<T>> GgufMetadata::find_integers(std::string_view key, std::string_view expected) const {
  const GgufArray* array = find_array(key, expected);
  if (array == nullptr) return std::nullopt;
  if (array->size() == 0) return std::vector<T>();
  return std::visit(
      [&](const auto& values) -> std::vector<T> {
        using Element = typename std::decay_t<decltype(values)>::value_type;
        if constexpr (kIsInteger<Element>) {
          std::vector<T> out;
          out.reserve(values.size());
          for (const Element v : values) {
            if (!std::in_range<T>(v)) {
              refuse(key, fmt::format("has {} at position {}, expected {}", v, out.size(), expected));
            }
            out.push_back(static_cast<T>(v));
          }
          return out;
        }
        refuse_type(key, *find(key), expected);
      },
      array->items);
}

std::optional<std::uint32_t> GgufMetadata::find_u32(std::string_view key) const {
  return find_integer<std::uint32_t>(key, "an unsigned 32-bit integer");
}
std::optional<std::uint64_t> GgufMetadata::find_u64(std::string_view key) const {
  return find_integer<std::uint64_t>(key, "an unsigned integer");
}
std::optional<std::int32_t> GgufMetadata::find_i32(std::string_view key) const {
  return find_integer<std::int32_t>(key, "a 32-bit integer");
}
std::optional<std::int64_t> GgufMetadata::find_i64(std::string_view key) const {
  return find_integer<std::int64_t>(key, "a 64-bit integer");
}

std::optional<float> GgufMetadata::find_f32(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  double number = std::numeric_limits<double>::quiet_NaN();
  if (const auto* f32 = std::get_if<float>(value)) number = *f32;
  if (const auto* f64 = std::get_if<double>(value)) number = *f64;
  const auto narrowed = static_cast<float>(number);
  if (!std::isfinite(narrowed)) refuse_type(key, *value, "a finite 32-bit float");
  return narrowed;
}

std::optional<bool> GgufMetadata::find_bool(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const bool* truth = std::get_if<bool>(value);
  if (truth == nullptr) refuse_type(key, *value, "a bool");
  return *truth;
}

std::optional<std::string> GgufMetadata::find_string(std::string_view key) const {
  if (!contains(key)) return std::nullopt;
  return get_string(key);
}

std::optional<std::vector<std::uint32_t>> GgufMetadata::find_u32s(std::string_view key) const {
  return find_integers<std::uint32_t>(key, "an array of unsigned 32-bit integers");
}
std::optional<std::vector<std::int32_t>> GgufMetadata::find_i32s(std::string_view key) const {
  return find_integers<std::int32_t>(key, "an array of 32-bit integers");
}

std::optional<std::vector<float>> GgufMetadata::find_f32s(std::string_view key) const {
  const std::string_view expected = "an array of floats";
  const GgufArray* array = find_array(key, expected);
  if (array == nullptr) return std::nullopt;
  if (array->size() == 0) return std::vector<float>();
  std::vector<float> out;
  if (const auto* f32 = std::get_if<std::vector<float>>(&array->items)) {
    out = *f32;
  } else if (const auto* f64 = std::get_if<std::vector<double>>(&array->items)) {
    out.reserve(f64->size());
    for (const double v : *f64) out.push_back(static_cast<float>(v));
  } else {
    refuse_type(key, *find(key), expected);
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (std::isnan(out[i])) refuse(key, fmt::format("has NaN at position {}, expected numbers", i));
  }
  return out;
}

std::optional<std::vector<std::string>> GgufMetadata::find_strings(std::string_view key) const {
  const std::string_view expected = "an array of strings";
  const GgufArray* array = find_array(key, expected);
  if (array == nullptr) return std::nullopt;
  if (array->size() == 0) return std::vector<std::string>();
  const auto* strings = std::get_if<std::vector<std::string>>(&array->items);
  if (strings == nullptr) refuse_type(key, *find(key), expected);
  return *strings;
}

const std::string& GgufMetadata::get_string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) refuse_missing(key);
  const auto* text = std::get_if<std::string>(value);
  if (text == nullptr) refuse_type(key, *value, "a string");
  return *text;
}

#define REGROUP_GETTER(type, suffix)                            \
  type GgufMetadata::get_##suffix(std::string_view key) const { \
    auto value = find_##suffix(key);                            \
    if (!value) refuse_missing(key);                            \
    return *std::move(value);                                   \
  }
REGROUP_GETTER(std::uint32_t, u32)
REGROUP_GETTER(std::uint64_t, u64)
REGROUP_GETTER(std::int32_t, i32)
REGROUP_GETTER(float, f32)
REGROUP_GETTER(bool, bool)
REGROUP_GETTER(std::vector<std::uint32_t>, u32s)
REGROUP_GETTER(std::vector<std::int32_t>, i32s)
REGROUP_GETTER(std::vector<float>, f32s)
REGROUP_GETTER(std::vector<std::string>, strings)
#undef REGROUP_GETTER

bool GgufMetadata::is_array(std::string_view key) const {
  const GgufValue* value = find(key);
  return value != nullptr && std::holds_alternative<GgufArray>(*value);
}

}  // namespace regroup
