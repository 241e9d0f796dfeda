// What a template may use up. Everything that walks values or makes text is handed the budget and charges it on the
// way: a value that holds another many times over is small in memory and without end to walk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace regroup::jinja {

struct Limits {
  std::size_t steps = 2'000'000;             // nodes visited, items walked
  std::size_t bytes = std::size_t{4} << 20;  // of all strings made on the way, the output included
  int depth = 400;                           // nodes and macro calls inside each other
  std::int64_t range_items = 100'000;
};

// Each throws TemplateError when a limit is reached.
class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  void spend_steps(std::size_t steps);
  void spend_bytes(std::size_t bytes);
  // For `bytes` of text that are copied or compared at once, and for those that are looked at one by one.
  void spend_copy(std::size_t bytes) { spend_steps(bytes / 1024); }
  void spend_walk(std::size_t bytes) { spend_steps(bytes / 16); }

  const Limits& limits() const { return limits_; }
  std::size_t steps() const { return steps_; }
  std::size_t bytes() const { return bytes_; }

 private:
  Limits limits_;
  std::size_t steps_ = 0, bytes_ = 0;
};

// Text in the making; its bytes are charged before they are there.
class ChargedText {
 public:
  explicit ChargedText(Budget& budget) : budget_(budget) {}

  void add(std::string_view part) {
    budget_.spend_bytes(part.size());
    text_ += part;
  }
  void add(char c) {
    budget_.spend_bytes(1);
    text_ += c;
  }
  void fill(std::size_t count, char c) {
    budget_.spend_bytes(count);
    text_.append(count, c);
  }

  Budget& budget() { return budget_; }
  std::string take() { return std::move(text_); }

 private:
  Budget& budget_;
  std::string text_;
};

}  // namespace regroup::jinja
