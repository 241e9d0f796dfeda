// What Python's operators, methods, Jinja's filters, tests and global functions do to values.
#pragma once

#include <string>
#include <string_view>

#include "runtime/text/jinja/interpreter.h"
#include "runtime/text/jinja/value.h"

namespace regroup::jinja {

// All throw TemplateError for values that they are not made for.

Value binary(Interpreter& interpreter, std::string_view name, const Value& left, const Value& right);
Value negative(const Value& value);
bool contains(Interpreter& interpreter, const Value& container, const Value& item);

// object.name: a method, else the entry. object[index]: the entry, else a method. Undefined when there is neither.
Value attribute(Budget& budget, const Value& object, const std::string& name);
Value subscript(Budget& budget, const Value& object, const Value& index);
// The character at `place` (negative: from the end), or undefined.
Value character_at(Budget& budget, const std::string& text, std::int64_t place);
// A method of Python's str or dict, bound to `object`; undefined when there is none of that name.
Value method(const Value& object, const std::string& name);

Value filter(Interpreter& interpreter, const std::string& name, const Value& input, const Arguments& arguments);
bool test(Interpreter& interpreter, const std::string& name, const Value& input, const Arguments& arguments);

// range, namespace, dict, raise_exception, strftime_now; undefined for other names.
Value global_function(std::string_view name);

// Arguments by position or name; what is missing is undefined.
Value argument(const Arguments& arguments, std::size_t position, std::string_view name);
bool has_argument(const Arguments& arguments, std::size_t position, std::string_view name);

}  // namespace regroup::jinja
