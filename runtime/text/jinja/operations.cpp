#include "runtime/text/jinja/operations.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>

#include "runtime/text/jinja/text_functions.h"

namespace regroup::jinja {
namespace {

[[noreturn]] void unsupported(std::string_view name, const Value& left, const Value& right) {
  throw TemplateError("'" + std::string(name) + "' does not go with " + left.type_name() + " and " + right.type_name());
}

[[noreturn]] void overflow() {
  throw TemplateError("a number is too large");
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) throw TemplateError("division by zero");
  if (a == std::numeric_limits<std::int64_t>::min() && b == -1) overflow();
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::int64_t integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  for (std::int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) overflow();
    if (result == 0 || (result == 1 && base == 1)) break;
    if (base == -1 && i > 1) return exponent % 2 == 0 ? 1 : -1;
  }
  return result;
}

Value integer_arithmetic(std::string_view name, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (name == "+") {
    if (__builtin_add_overflow(a, b, &result)) overflow();
  } else if (name == "-") {
    if (__builtin_sub_overflow(a, b, &result)) overflow();
  } else if (name == "*") {
    if (__builtin_mul_overflow(a, b, &result)) overflow();
  } else if (name == "//") {
    result = floor_divide(a, b);
  } else if (name == "%") {
    if (b == 0) throw TemplateError("division by zero");
    result = b == -1 ? 0 : a % b;
    if (result != 0 && (result < 0) != (b < 0)) result += b;
  } else if (name == "**" && b >= 0) {
    result = integer_power(a, b);
  } else if (name == "**") {
    return std::pow(static_cast<double>(a), static_cast<double>(b));
  } else {
    if (b == 0) throw TemplateError("division by zero");
    return static_cast<double>(a) / static_cast<double>(b);
  }
  return result;
}

Value real_arithmetic(std::string_view name, double a, double b) {
  if (name == "+") return a + b;
  if (name == "-") return a - b;
  if (name == "*") return a * b;
  if (name == "**") return std::pow(a, b);
  if (b == 0) throw TemplateError("division by zero");
  if (name == "/") return a / b;
  if (name == "//") return std::floor(a / b);
  return a - std::floor(a / b) * b;
}

// "%s is %d" % values
Value format_percent(Interpreter& interpreter, const std::string& format, const Value& values) {
  const List given = values.is_list() ? interpreter.items_of(values) : List{values};
  interpreter.spend_walk(format.size());
  ChargedText out(interpreter);
  std::size_t used = 0;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out.add(format[i]);
      continue;
    }
    const char kind = ++i < format.size() ? format[i] : '\0';
    if (kind == '%') {
      out.add('%');
      continue;
    }
    if (used >= given.size()) throw TemplateError("too few values for a format");
    const Value& value = given[used++];
    if (kind == 's') {
      value.write_text(out);
    } else if (kind == 'd' || kind == 'i') {
      out.add(std::to_string(value.is_float() ? static_cast<std::int64_t>(std::clamp(value.real(), -9e18, 9e18))
                                              : value.integer()));
    } else if (kind == 'r') {
      value.write_representation(out);
    } else {
      throw TemplateError(std::string("the format %") + kind + " is not supported");
    }
  }
  return out.take();
}

Value repeated(Interpreter& interpreter, const Value& value, std::int64_t count) {
  const std::size_t times = count < 0 ? 0 : static_cast<std::size_t>(count);
  if (value.is_string()) {
    const std::string& text = value.string();
    if (text.empty()) return text;
    if (times > interpreter.limits().bytes / text.size()) throw TemplateError("the template makes too much text");
    interpreter.spend_bytes(times * text.size());
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
  }
  const List& list = value.list();
  if (list.empty()) return list;
  if (times > interpreter.limits().steps / list.size()) throw TemplateError("the template takes too many steps");
  interpreter.spend_steps(times * list.size());
  List out;
  for (std::size_t i = 0; i < times; ++i) out.insert(out.end(), list.begin(), list.end());
  return out;
}

Value make_range(Interpreter& interpreter, const Arguments& arguments) {
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3) throw TemplateError("range() takes one to three numbers");
  const std::int64_t start = given.size() > 1 ? given[0].integer() : 0;
  const std::int64_t stop = given[given.size() > 1 ? 1 : 0].integer();
  const std::int64_t step = given.size() > 2 ? given[2].integer() : 1;
  if (step == 0) throw TemplateError("range() with step 0");
  List list;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<std::int64_t>(list.size()) >= interpreter.limits().range_items)
      throw TemplateError("range() is too long");
    list.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  interpreter.spend_steps(list.size());
  return list;
}

Dict make_dict(Interpreter& interpreter, const Arguments& arguments) {
  Dict dict;
  const auto set = [&](const Value& key, const Value& value) {
    interpreter.spend_steps(1);
    dict.set(key, value, interpreter);
  };
  for (const Value& given : arguments.positional) {
    for (const auto& [key, value] : given.dict().items()) set(key, value);
  }
  for (const auto& [name, value] : arguments.named) set(Value(name), value);
  return dict;
}

Value now(Interpreter& interpreter, const Arguments& arguments) {
  const Value format = argument(arguments, 0, "format");
  const std::time_t seconds = std::time(nullptr);
  std::tm local{};
  localtime_r(&seconds, &local);
  char buffer[256];
  const std::size_t size = std::strftime(buffer, sizeof buffer, format.string().c_str(), &local);
  return interpreter.made(std::string(buffer, size));
}

// What subscript() gives where nothing is.
Value no_entry(const Value& index) {
  return Value::undefined(index.is_integer() ? std::to_string(index.integer()) : index.type_name());
}

}  // namespace

Value argument(const Arguments& arguments, std::size_t position, std::string_view name) {
  if (position < arguments.positional.size()) return arguments.positional[position];
  for (const auto& [known, value] : arguments.named) {
    if (known == name) return value;
  }
  return {};
}

bool has_argument(const Arguments& arguments, std::size_t position, std::string_view name) {
  return !argument(arguments, position, name).is_undefined();
}

Value binary(Interpreter& interpreter, std::string_view name, const Value& left, const Value& right) {
  if (name == "~") {
    ChargedText out(interpreter);
    left.write_text(out);
    right.write_text(out);
    return out.take();
  }
  if (name == "%" && left.is_string()) return format_percent(interpreter, left.string(), right);
  if (left.is_number() && right.is_number()) {
    if (left.is_float() || right.is_float()) return real_arithmetic(name, left.real(), right.real());
    return integer_arithmetic(name, left.integer(), right.integer());
  }
  if (name == "+" && left.is_string() && right.is_string()) return interpreter.made(left.string() + right.string());
  if (name == "+" && left.is_list() && right.is_list()) {
    interpreter.spend_steps(left.list().size() + right.list().size());
    List both = left.list();
    both.insert(both.end(), right.list().begin(), right.list().end());
    return both;
  }
  const bool left_sequence = left.is_string() || left.is_list(), right_sequence = right.is_string() || right.is_list();
  if (name == "*" && left_sequence && right.is_number() && !right.is_float())
    return repeated(interpreter, left, right.integer());
  if (name == "*" && right_sequence && left.is_number() && !left.is_float())
    return repeated(interpreter, right, left.integer());
  unsupported(name, left, right);
}

Value negative(const Value& value) {
  if (value.is_float()) return -value.real();
  if (value.integer() == std::numeric_limits<std::int64_t>::min()) overflow();
  return -value.integer();
}

bool contains(Interpreter& interpreter, const Value& container, const Value& item) {
  if (container.is_undefined()) return false;
  if (container.is_string()) {
    if (!item.is_string()) unsupported("in", item, container);
    spend_search(interpreter, container.string(), item.string());
    return container.string().find(item.string()) != std::string::npos;
  }
  if (container.is_dict()) return container.dict().find(item, interpreter) != nullptr;
  for (const Value& other : container.list()) {
    if (equal(other, item, interpreter)) return true;
  }
  return false;
}

Value attribute(Budget& budget, const Value& object, const std::string& name) {
  if (object.is_undefined()) throw TemplateError(object.type_name() + " has no '" + name + "'");
  if (object.is_dict() && object.dict().is_namespace) {
    const Value* entry = object.dict().find_name(name, budget);
    return entry == nullptr ? Value::undefined(name) : *entry;
  }
  Value found = method(object, name);
  if (!found.is_undefined() || !object.is_dict()) return found;
  const Value* entry = object.dict().find_name(name, budget);
  return entry == nullptr ? Value::undefined(name) : *entry;
}

Value subscript(Budget& budget, const Value& object, const Value& index) {
  if (object.is_undefined()) throw TemplateError(object.type_name() + " has no entries");
  if (object.is_dict()) {
    if (const Value* entry = object.dict().find(index, budget)) return *entry;
    if (!index.is_string()) return no_entry(index);
    return object.dict().is_namespace ? Value::undefined(index.string()) : method(object, index.string());
  }
  if (index.is_string()) return method(object, index.string());
  if (!object.is_list() && !object.is_string()) return no_entry(index);
  if (!index.is_integer() && !index.is_bool()) return no_entry(index);
  std::int64_t place = index.integer();
  if (object.is_list()) {
    const auto count = static_cast<std::int64_t>(object.list().size());
    if (place < 0) place += count;
    return place < 0 || place >= count ? no_entry(index) : object.list()[static_cast<std::size_t>(place)];
  }
  return character_at(budget, object.string(), place);
}

Value global_function(std::string_view name) {
  if (name == "range") return Function(make_range);
  if (name == "namespace") {
    return Function([](Interpreter& interpreter, const Arguments& arguments) -> Value {
      Dict dict = make_dict(interpreter, arguments);
      dict.is_namespace = true;
      return dict;
    });
  }
  if (name == "dict")
    return Function([](Interpreter& interpreter, const Arguments& arguments) -> Value {
      return make_dict(interpreter, arguments);
    });
  if (name == "raise_exception") {
    return Function([](Interpreter& interpreter, const Arguments& arguments) -> Value {
      throw TemplateError(argument(arguments, 0, "message").as_string(interpreter).string(), true);
    });
  }
  if (name == "strftime_now") return Function(now);
  return {};
}

}  // namespace regroup::jinja
