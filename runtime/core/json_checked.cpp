#include "runtime/core/json_checked.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/error.h"

namespace regroup {

namespace {

using nlohmann::json;

// Walks over the text and tells where it stands, which the parser does not tell its handler.
class TrackedIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedIterator(const char* at, const char** position) : at_(at), position_(position) {}
  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    *position_ = ++at_;
    return *this;
  }
  bool operator==(const TrackedIterator& other) const { return at_ == other.at_; }
  bool operator!=(const TrackedIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** position_;
};

// Builds the document and stops at the first thing that is not allowed. The parser that calls it does not recurse.
class CheckedBuilder : public nlohmann::json_sax<json> {
 public:
  explicit CheckedBuilder(std::size_t max_values) : max_values_(max_values) {}

  json take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }
  // Byte offset given by the parser itself (syntax errors only), else 0.
  std::size_t syntax_position() const { return syntax_position_; }

  bool null() override { return add(nullptr) != nullptr; }
  bool boolean(bool value) override { return add(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return add(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return add(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override { return add(value) != nullptr; }
  bool string(string_t& value) override { return add(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return fail("binary value"); }
  bool start_object(std::size_t) override { return enter(json::value_t::object); }
  bool start_array(std::size_t) override { return enter(json::value_t::array); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    const auto [place, inserted] = open_.back()->get_ref<json::object_t&>().emplace(std::move(name), nullptr);
    if (!inserted) return fail(fmt::format("duplicate key '{}'", escaped(place->first)));
    member_ = &place->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    syntax_position_ = position;
    // "[json.exception.parse_error.101] parse error at line 1, column 2: what was found": the number and the place are
    // dropped.
    std::string_view text = error.what();
    if (const std::size_t end = text.find("] "); end != text.npos) text.remove_prefix(end + 2);
    if (text.substr(0, 11) == "parse error") {
      if (const std::size_t colon = text.find(": "); colon != text.npos) text.remove_prefix(colon + 2);
    }
    return fail(escaped(text, 200));
  }

 private:
  json* add(json&& value) {
    if (++values_ > max_values_) {
      fail(fmt::format("more than {} values", max_values_));
      return nullptr;
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_object()) {
      *member_ = std::move(value);
      return member_;
    }
    auto& items = open_.back()->get_ref<json::array_t&>();
    items.push_back(std::move(value));
    return &items.back();
  }

  bool enter(json::value_t type) {
    if (open_.size() >= kMaxJsonDepth) return fail(fmt::format("nested deeper than {} levels", kMaxJsonDepth));
    json* value = add(json(type));
    if (value == nullptr) return false;
    open_.push_back(value);
    return true;
  }

  bool leave() {
    open_.pop_back();
    return true;
  }

  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  json root_;
  std::vector<json*> open_;  // an open value's parent does not grow, so the pointers stay good
  json* member_ = nullptr;
  std::size_t values_ = 0;
  std::size_t max_values_;
  std::string problem_;
  std::size_t syntax_position_ = 0;
};

[[noreturn]] void fail_at(std::string_view text, std::size_t offset, std::string_view what, std::string_view problem) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  throw_error(ErrorCode::kBadModel, "{}: bad JSON at line {}, column {}: {}", escaped(what), line,
              before.size() - line_start + 1, problem);
}

}  // namespace

nlohmann::json parse_json_checked(std::string_view text, std::string_view what, std::size_t max_bytes,
                                  std::size_t max_values) {
  if (text.size() > max_bytes) {
    throw_error(ErrorCode::kBadModel, "{}: JSON of {} bytes, at most {} are allowed", escaped(what), text.size(),
                max_bytes);
  }
  // The parser takes a zero byte for the end of the text and would ignore what follows.
  if (const std::size_t zero = text.find('\0'); zero != text.npos) fail_at(text, zero, what, "zero byte");

  const char* position = text.data();
  CheckedBuilder builder(max_values);
  const bool ok = json::sax_parse(TrackedIterator(text.data(), &position),
                                  TrackedIterator(text.data() + text.size(), &position), &builder);
  if (!ok) {
    std::size_t at = builder.syntax_position();
    if (at == 0) at = static_cast<std::size_t>(position - text.data());
    fail_at(text, at == 0 ? 0 : at - 1, what, builder.problem());
  }
  return builder.take();
}

bool is_whole_number(const nlohmann::json& value, std::uint64_t most) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() <= most;
}

}  // namespace regroup
