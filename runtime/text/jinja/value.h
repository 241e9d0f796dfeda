// Values of the template language: Python's basic types, nothing of the host program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/text/jinja/budget.h"

namespace regroup::jinja {

// Lists, mappings and bound methods inside each other. Values that would be deeper are refused when they are made, so
// that whatever walks one, and what frees it, may recurse. A namespace() is changed later and what holds it does not
// learn of that, but takes no other namespace: a value is at most twice as deep.
constexpr int kMaxNesting = 128;

// A template that cannot be parsed or rendered. `raised`: the template itself refused by raise_exception().
class TemplateError : public std::runtime_error {
 public:
  explicit TemplateError(const std::string& message, bool raised = false)
      : std::runtime_error(message), raised_(raised) {}
  bool raised() const { return raised_; }

 private:
  bool raised_;
};

class Value;
class Interpreter;

using List = std::vector<Value>;

class Dict;

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

using Function = std::function<Value(Interpreter&, const Arguments&)>;

class Value {
 public:
  struct Undefined {
    std::string name;  // what was looked up, for the message when it is used
  };
  struct None {};
  struct Nesting {
    int depth = 0;
    bool name_space = false;             // a namespace() is inside
    void include(const Nesting& inner);  // throws TemplateError when that is too deep
  };

  Value() : data_(Undefined{}) {}
  Value(None none) : data_(none) {}                                   // NOLINT: values convert
  Value(bool value) : data_(value) {}                                 // NOLINT
  Value(std::int64_t value) : data_(value) {}                         // NOLINT
  Value(double value) : data_(value) {}                               // NOLINT
  Value(std::string value);                                           // NOLINT
  Value(std::string_view value);                                      // NOLINT
  Value(const char* value);                                           // NOLINT
  Value(List value);                                                  // NOLINT
  Value(Dict value);                                                  // NOLINT
  Value(Function value);                                              // NOLINT
  static Value undefined(std::string_view name);                      // a long name is cut
  static Value bound_method(Function function, const Value& object);  // `function` holds `object`
  static Value size(std::size_t value) { return static_cast<std::int64_t>(value); }

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_bool() || is_integer() || is_float(); }
  bool is_string() const { return std::holds_alternative<std::shared_ptr<const std::string>>(data_); }
  bool is_list() const { return std::holds_alternative<std::shared_ptr<const HeldList>>(data_); }
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<Dict>>(data_); }
  bool is_function() const { return std::holds_alternative<std::shared_ptr<const HeldFunction>>(data_); }

  // Each throws TemplateError when the value is of another type.
  std::int64_t integer() const;  // also of a bool
  double real() const;           // of any number
  const std::string& string() const;
  const List& list() const;
  const Dict& dict() const;
  Dict& name_space() const;  // a dict made by namespace()
  const Function& function() const;

  bool truth() const;             // Python's truth value
  std::string type_name() const;  // "str", "int", ... for messages
  Nesting nesting() const;

  // Python's str() and repr().
  void write_text(ChargedText& out) const;
  void write_representation(ChargedText& out) const;
  Value as_string(Budget& budget) const;  // str() as a value, which a string itself is

 private:
  struct HeldList;
  struct HeldFunction;

  std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const HeldList>, std::shared_ptr<Dict>, std::shared_ptr<const HeldFunction>>
      data_;
};

// In the order of insertion. Keys are strings as a rule; numbers work too.
class Dict {
 public:
  const Value* find_name(std::string_view key, Budget& budget) const;
  const Value* find(const Value& key, Budget& budget) const;
  void set(const Value& key, Value value, Budget& budget);  // replaces, keeping the place
  void set(std::string_view name, Value value);             // for the host, which needs no budget
  const std::vector<std::pair<Value, Value>>& items() const { return items_; }
  Value::Nesting nesting() const;

  bool is_namespace = false;  // made by namespace(): the only thing that a template may change

 private:
  void put(Value* place, const Value& key, Value value);

  std::vector<std::pair<Value, Value>> items_;
  Value::Nesting nesting_;
};

// Python's ==.
bool equal(const Value& a, const Value& b, Budget& budget);
// Python's order: -1, 0 or 1. Throws TemplateError for types that have no order.
int compare(const Value& a, const Value& b, Budget& budget);

struct JsonStyle {
  int indent = -1;  // spaces per level; negative: on one line
  std::string item_separator = ", ", key_separator = ": ";
  bool sort_keys = false;
  bool ascii_only = false;
};

// Python's json.dumps(). Throws TemplateError for what JSON does not have.
std::string to_json(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace regroup::jinja
