// Jinja's tests: what stands behind "is".
#include "runtime/text/jinja/operations.h"
#include "runtime/text/jinja/text_functions.h"

namespace regroup::jinja {

bool test(Interpreter& interpreter, const std::string& name, const Value& input, const Arguments& arguments) {
  interpreter.spend_texts(input, arguments);
  const auto other = [&] {
    if (arguments.positional.empty()) throw TemplateError("the test '" + name + "' needs a value");
    return arguments.positional[0];
  };
  const auto remainder = [&](std::int64_t divisor) {
    if (divisor == 0) throw TemplateError("division by zero");
    return divisor == -1 ? 0 : input.integer() % divisor;
  };
  if (name == "defined") return !input.is_undefined();
  if (name == "undefined") return input.is_undefined();
  if (name == "none") return input.is_none();
  if (name == "string") return input.is_string();
  if (name == "boolean") return input.is_bool();
  if (name == "integer") return input.is_integer();
  if (name == "float") return input.is_float();
  if (name == "number") return input.is_number();
  if (name == "true") return input.is_bool() && input.truth();
  if (name == "false") return input.is_bool() && !input.truth();
  if (name == "mapping") return input.is_dict() && !input.dict().is_namespace;
  if (name == "iterable" || name == "sequence") {
    return input.is_list() || input.is_string() || input.is_undefined() ||
           (input.is_dict() && !input.dict().is_namespace);
  }
  if (name == "callable") return input.is_function();
  if (name == "odd") return remainder(2) != 0;
  if (name == "even") return remainder(2) == 0;
  if (name == "divisibleby") return remainder(other().integer()) == 0;
  if (name == "equalto" || name == "eq" || name == "==") return equal(input, other(), interpreter);
  if (name == "ne" || name == "!=") return !equal(input, other(), interpreter);
  if (name == "lt" || name == "lessthan" || name == "<") return compare(input, other(), interpreter) < 0;
  if (name == "le" || name == "<=") return compare(input, other(), interpreter) <= 0;
  if (name == "gt" || name == "greaterthan" || name == ">") return compare(input, other(), interpreter) > 0;
  if (name == "ge" || name == ">=") return compare(input, other(), interpreter) >= 0;
  if (name == "in") return contains(interpreter, other(), input);
  if (name == "sameas") {
    const Value value = other();
    return input.type_name() == value.type_name() && equal(input, value, interpreter);
  }
  if (name == "lower" || name == "upper") {
    const Value text = input.as_string(interpreter);
    return name == "lower" ? is_lower_text(text.string()) : is_upper_text(text.string());
  }
  throw TemplateError("there is no test '" + name + "'");
}

}  // namespace regroup::jinja
