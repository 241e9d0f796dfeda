// A value of a JSON document that knows where it stands: whatever is wrong with it is said with the file's name and the
// whole path, "tokenizer.json: normalizer.normalizers[1].type is missing".
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace regroup {

// Every function that returns a value throws Error kBadModel when the document has another one there.
class JsonField {
 public:
  // The whole document `value` of `file`. Both must outlive this object and all that are made from it.
  JsonField(const nlohmann::json& value, std::string_view file) : JsonField(value, file, "") {}

  // Throws Error kBadModel: file, path, `problem` (which must not hold raw text from the file).
  [[noreturn]] void refuse(std::string_view problem) const;

  const nlohmann::json& value() const { return *value_; }
  bool is_null() const;
  bool is_text() const;
  bool is_list() const;
  bool is_object() const;

  // Members. `find` gives nothing for one that is not there, `find_set` also for one that is null.
  JsonField at(std::string_view key) const;
  std::optional<JsonField> find(std::string_view key) const;
  std::optional<JsonField> find_set(std::string_view key) const;

  // Elements of a list.
  std::size_t size() const;
  JsonField element(std::size_t index) const;
  template <typename Take>
  void each(const Take& take) const {
    for (std::size_t i = 0, count = size(); i < count; ++i) take(element(i));
  }

  void require_object() const;
  const std::string& text() const;
  bool truth() const;
  double number() const;
  std::uint32_t id() const;  // a token's: any other number would be cut to one that fits

  // Members that may be absent, but not of another type.
  std::string text(std::string_view key, std::string_view otherwise) const;
  bool truth(std::string_view key, bool otherwise) const;

 private:
  JsonField(const nlohmann::json& value, std::string_view file, std::string path);
  [[noreturn]] void expected(std::string_view what) const;

  const nlohmann::json* value_;
  std::string_view file_;
  std::string path_;
};

}  // namespace regroup
