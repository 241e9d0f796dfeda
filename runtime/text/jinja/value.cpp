#include "runtime/text/jinja/value.h"

#include <fmt/format.h>

#include <cmath>

#include "runtime/core/utf8.h"

namespace regroup::jinja {
namespace {

// Deeper values are refused: they come from literals inside literals, which the parser bounds, and from the caller.
constexpr int kMaxDepth = 128;

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

// Python's repr() of a string: single quotes unless only single quotes are inside.
std::string quoted(const std::string& text) {
  const bool double_quotes = text.find('\'') != std::string::npos && text.find('"') == std::string::npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + quote;
}

std::string represent(const Value& value, int depth) {
  if (depth > kMaxDepth) throw TemplateError("a value is nested too deeply");
  if (value.is_string()) return quoted(value.string());
  if (value.is_list()) {
    std::string out = "[";
    for (const Value& item : value.list()) {
      if (out.size() > 1) out += ", ";
      out += represent(item, depth + 1);
    }
    return out + "]";
  }
  if (value.is_dict()) {
    std::string out = "{";
    for (const auto& [key, item] : value.dict().items()) {
      if (out.size() > 1) out += ", ";
      out += represent(key, depth + 1) + ": " + represent(item, depth + 1);
    }
    return out + "}";
  }
  return value.text();
}

bool equal(const Value& a, const Value& b, int depth) {
  if (depth > kMaxDepth) throw TemplateError("a value is nested too deeply");
  if (a.is_number() && b.is_number()) {
    if (a.is_float() || b.is_float()) return a.real() == b.real();
    return a.integer() == b.integer();
  }
  if (a.is_string() && b.is_string()) return a.string() == b.string();
  if (a.is_list() && b.is_list()) {
    const List &x = a.list(), &y = b.list();
    if (x.size() != y.size()) return false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!equal(x[i], y[i], depth + 1)) return false;
    }
    return true;
  }
  if (a.is_dict() && b.is_dict()) {
    if (a.dict().items().size() != b.dict().items().size()) return false;
    for (const auto& [key, item] : a.dict().items()) {
      const Value* other = b.dict().find(key);
      if (other == nullptr || !equal(item, *other, depth + 1)) return false;
    }
    return true;
  }
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

}  // namespace

const Value* Dict::find_name(std::string_view key) const {
  for (const auto& [name, value] : items_) {
    if (name.is_string() && name.string() == key) return &value;
  }
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  if (key.is_string()) return find_name(key.string());
  for (const auto& [name, value] : items_) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Dict::set(const Value& key, Value value) {
  for (auto& [name, old] : items_) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  items_.emplace_back(key, std::move(value));
}

Value::Value(std::string value) : data_(std::make_shared<const std::string>(std::move(value))) {}
Value::Value(std::string_view value) : Value(std::string(value)) {}
Value::Value(const char* value) : Value(std::string(value)) {}
Value::Value(List value) : data_(std::make_shared<const List>(std::move(value))) {}
Value::Value(Dict value) : data_(std::make_shared<Dict>(std::move(value))) {}
Value::Value(Function value) : data_(std::make_shared<const Function>(std::move(value))) {}

Value Value::undefined(std::string name) {
  Value value;
  value.data_ = Undefined{std::move(name)};
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
  return *std::get<std::shared_ptr<const List>>(data_);
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
  return *std::get<std::shared_ptr<const Function>>(data_);
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

std::string Value::text() const {
  if (is_undefined()) return "";
  if (is_none()) return "None";
  if (is_bool()) return std::get<bool>(data_) ? "True" : "False";
  if (is_integer()) return std::to_string(integer());
  if (is_float()) return real_text(real());
  if (is_string()) return string();
  if (is_function()) return "<function>";
  return represent(*this, 0);
}

std::string Value::representation() const {
  return is_undefined() ? "Undefined" : represent(*this, 0);
}

bool operator==(const Value& a, const Value& b) {
  return equal(a, b, 0);
}

int compare(const Value& a, const Value& b) {
  const auto order = [](const auto& x, const auto& y) { return x < y ? -1 : (y < x ? 1 : 0); };
  if (a.is_number() && b.is_number()) {
    if (a.is_float() || b.is_float()) return order(a.real(), b.real());
    return order(a.integer(), b.integer());
  }
  if (a.is_string() && b.is_string()) return order(a.string(), b.string());  // UTF-8 keeps the order of code points
  if (a.is_list() && b.is_list()) {
    const List &x = a.list(), &y = b.list();
    for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
      if (!(x[i] == y[i])) return compare(x[i], y[i]);
    }
    return order(x.size(), y.size());
  }
  throw TemplateError(a.type_name() + " and " + b.type_name() + " have no order");
}

}  // namespace regroup::jinja
