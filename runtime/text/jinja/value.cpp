#include "runtime/text/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/core/utf8.h"

namespace regroup::jinja {
namespace {

constexpr std::size_t kLongestName = 100;  // of something undefined

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

// Python's repr() of a string: single quotes unless only single quotes are inside.
void write_quoted(ChargedText& out, const std::string& text) {
  out.budget().spend_walk(text.size());
  const bool double_quotes = text.find('\'') != std::string::npos && text.find('"') == std::string::npos;
  const char quote = double_quotes ? '"' : '\'';
  out.add(quote);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      out.add('\\');
      out.add(c);
    } else if (c == '\n') {
      out.add("\\n");
    } else if (c == '\r') {
      out.add("\\r");
    } else if (c == '\t') {
      out.add("\\t");
    } else if (byte < 0x20 || byte == 0x7f) {
      out.add(fmt::format("\\x{:02x}", byte));
    } else {
      out.add(c);
    }
  }
  out.add(quote);
}

void write_list(ChargedText& out, const List& list) {
  out.budget().spend_steps(list.size());
  out.add('[');
  bool first = true;
  for (const Value& item : list) {
    if (!first) out.add(", ");
    first = false;
    item.write_representation(out);
  }
  out.add(']');
}

void write_dict(ChargedText& out, const Dict& dict) {
  out.budget().spend_steps(dict.items().size());
  out.add('{');
  bool first = true;
  for (const auto& [key, item] : dict.items()) {
    if (!first) out.add(", ");
    first = false;
    key.write_representation(out);
    out.add(": ");
    item.write_representation(out);
  }
  out.add('}');
}

bool equal_strings(std::string_view a, std::string_view b, Budget& budget) {
  if (a.size() != b.size()) return false;
  budget.spend_copy(a.size());
  return a == b;
}

}  // namespace

struct Value::HeldList {
  List items;
  Nesting nesting;
};

struct Value::HeldFunction {
  Function call;
  Nesting nesting;
};

void Value::Nesting::include(const Nesting& inner) {
  depth = std::max(depth, inner.depth + 1);
  name_space = name_space || inner.name_space;
  if (depth > kMaxNesting) throw TemplateError("a value is nested too deeply");
}

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.spend_steps(1);
  if (a.is_number() && b.is_number()) {
    if (a.is_float() || b.is_float()) return a.real() == b.real();
    return a.integer() == b.integer();
  }
  if (a.is_string() && b.is_string()) return equal_strings(a.string(), b.string(), budget);
  if (a.is_list() && b.is_list()) {
    const List &x = a.list(), &y = b.list();
    if (x.size() != y.size()) return false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!equal(x[i], y[i], budget)) return false;
    }
    return true;
  }
  if (a.is_dict() && b.is_dict()) {
    if (a.dict().items().size() != b.dict().items().size()) return false;
    for (const auto& [key, item] : a.dict().items()) {
      const Value* other = b.dict().find(key, budget);
      if (other == nullptr || !equal(item, *other, budget)) return false;
    }
    return true;
  }
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

const Value* Dict::find_name(std::string_view key, Budget& budget) const {
  budget.spend_steps(items_.size() / 8);
  for (const auto& [name, value] : items_) {
    if (name.is_string() && equal_strings(name.string(), key, budget)) return &value;
  }
  return nullptr;
}

const Value* Dict::find(const Value& key, Budget& budget) const {
  if (key.is_string()) return find_name(key.string(), budget);
  for (const auto& [name, value] : items_) {
    if (equal(name, key, budget)) return &value;
  }
  return nullptr;
}

void Dict::set(const Value& key, Value value, Budget& budget) {
  put(const_cast<Value*>(find(key, budget)), key, std::move(value));
}

void Dict::set(std::string_view name, Value value) {
  const auto known = [&](const auto& item) { return item.first.is_string() && item.first.string() == name; };
  const auto found = std::find_if(items_.begin(), items_.end(), known);
  put(found == items_.end() ? nullptr : &found->second, name, std::move(value));
}

// Into `place`, or behind all others when it is null.
void Dict::put(Value* place, const Value& key, Value value) {
  nesting_.include(key.nesting());
  nesting_.include(value.nesting());
  if (place != nullptr) {
    *place = std::move(value);
  } else {
    items_.emplace_back(key, std::move(value));
  }
}

Value::Nesting Dict::nesting() const {
  Value::Nesting all = nesting_;
  all.name_space = all.name_space || is_namespace;
  return all;
}

Value::Value(std::string value) : data_(std::make_shared<const std::string>(std::move(value))) {}
Value::Value(std::string_view value) : Value(std::string(value)) {}
Value::Value(const char* value) : Value(std::string(value)) {}
Value::Value(List value) {
  Nesting nesting{1};
  for (const Value& item : value) nesting.include(item.nesting());
  data_ = std::make_shared<const HeldList>(HeldList{std::move(value), nesting});
}
Value::Value(Dict value) : data_(std::make_shared<Dict>(std::move(value))) {}
Value::Value(Function value) : data_(std::make_shared<const HeldFunction>(HeldFunction{std::move(value), {}})) {}

Value Value::undefined(std::string_view name) {
  Value value;
  value.data_ =
      Undefined{name.size() > kLongestName ? std::string(name.substr(0, kLongestName)) + "..." : std::string(name)};
  return value;
}

Value Value::bound_method(Function function, const Value& object) {
  Nesting nesting;
  nesting.include(object.nesting());
  Value value;
  value.data_ = std::make_shared<const HeldFunction>(HeldFunction{std::move(function), nesting});
  return value;
}

std::int64_t Value::integer() const {
  if (is_bool()) return std::get<bool>(data_) ? 1 : 0;
  if (!is_integer()) throw TemplateError("a number is needed where " + type_name() + " is");
  return std::get<std::int64_t>(data_);
}

double Value::real() const {
  return is_float() ? std::get<double>(data_) : static_cast<double>(integer());
}

const std::string& Value::string() const {
  if (!is_string()) throw TemplateError("a string is needed where " + type_name() + " is");
  return *std::get<std::shared_ptr<const std::string>>(data_);
}

const List& Value::list() const {
  if (!is_list()) throw TemplateError("a list is needed where " + type_name() + " is");
  return std::get<std::shared_ptr<const HeldList>>(data_)->items;
}

const Dict& Value::dict() const {
  if (!is_dict()) throw TemplateError("a mapping is needed where " + type_name() + " is");
  return *std::get<std::shared_ptr<Dict>>(data_);
}

Dict& Value::name_space() const {
  if (!is_dict() || !dict().is_namespace) throw TemplateError("only attributes of a namespace() can be set");
  return *std::get<std::shared_ptr<Dict>>(data_);
}

const Function& Value::function() const {
  if (!is_function()) throw TemplateError(type_name() + " is not callable");
  return std::get<std::shared_ptr<const HeldFunction>>(data_)->call;
}

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_bool()) return std::get<bool>(data_);
  if (is_integer()) return integer() != 0;
  if (is_float()) return real() != 0;
  if (is_string()) return !string().empty();
  if (is_list()) return !list().empty();
  if (is_dict()) return dict().is_namespace || !dict().items().empty();
  return true;
}

std::string Value::type_name() const {
  if (is_undefined()) {
    const std::string& name = std::get<Undefined>(data_).name;
    return name.empty() ? "undefined" : "'" + name + "', which is undefined,";
  }
  if (is_none()) return "None";
  if (is_bool()) return "bool";
  if (is_integer()) return "int";
  if (is_float()) return "float";
  if (is_string()) return "str";
  if (is_list()) return "list";
  if (is_dict()) return "dict";
  return "a function";
}

Value::Nesting Value::nesting() const {
  if (is_list()) return std::get<std::shared_ptr<const HeldList>>(data_)->nesting;
  if (is_dict()) return dict().nesting();
  if (is_function()) return std::get<std::shared_ptr<const HeldFunction>>(data_)->nesting;
  return {};
}

void Value::write_text(ChargedText& out) const {
  if (is_undefined()) return;
  if (is_string()) {
    out.budget().spend_copy(string().size());
    out.add(string());
  } else {
    write_representation(out);
  }
}

void Value::write_representation(ChargedText& out) const {
  if (is_undefined()) return out.add("Undefined");
  if (is_none()) return out.add("None");
  if (is_bool()) return out.add(truth() ? "True" : "False");
  if (is_integer()) return out.add(std::to_string(integer()));
  if (is_float()) return out.add(real_text(real()));
  if (is_string()) return write_quoted(out, string());
  if (is_list()) return write_list(out, list());
  if (is_dict()) return write_dict(out, dict());
  out.add("<function>");
}

Value Value::as_string(Budget& budget) const {
  if (is_string()) return *this;
  ChargedText out(budget);
  write_text(out);
  return out.take();
}

int compare(const Value& a, const Value& b, Budget& budget) {
  budget.spend_steps(1);
  const auto order = [](const auto& x, const auto& y) { return x < y ? -1 : (y < x ? 1 : 0); };
  if (a.is_number() && b.is_number()) {
    if (a.is_float() || b.is_float()) return order(a.real(), b.real());
    return order(a.integer(), b.integer());
  }
  if (a.is_string() && b.is_string()) {
    budget.spend_copy(std::min(a.string().size(), b.string().size()));
    return order(a.string(), b.string());  // UTF-8 keeps the order of code points
  }
  if (a.is_list() && b.is_list()) {
    const List &x = a.list(), &y = b.list();
    for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
      if (!equal(x[i], y[i], budget)) return compare(x[i], y[i], budget);
    }
    return order(x.size(), y.size());
  }
  throw TemplateError(a.type_name() + " and " + b.type_name() + " have no order");
}

}  // namespace regroup::jinja
