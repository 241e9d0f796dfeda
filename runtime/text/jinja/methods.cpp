// The methods of Python's str and dict that templates use. Strings are counted in characters, not bytes.
#include <algorithm>
#include <optional>

#include "runtime/core/utf8.h"
#include "runtime/text/jinja/operations.h"
#include "runtime/text/jinja/text_functions.h"

namespace regroup::jinja {
namespace {

using Text = const std::string&;
using StringMethod = Value (*)(Interpreter&, Text, const Arguments&);

std::optional<std::string> optional_text(const Arguments& arguments, std::size_t position, std::string_view name) {
  const Value value = argument(arguments, position, name);
  if (value.is_undefined() || value.is_none()) return std::nullopt;
  return value.string();
}

std::int64_t optional_count(const Arguments& arguments, std::size_t position, std::string_view name) {
  const Value value = argument(arguments, position, name);
  return value.is_undefined() ? -1 : value.integer();
}

// startswith and endswith take one text or several.
template <typename Matches>
bool any_text(Interpreter& interpreter, const Arguments& arguments, const Matches& matches) {
  const Value given = argument(arguments, 0, "prefix");
  if (!given.is_list()) return matches(given.string());
  for (const Value& text : given.list()) interpreter.spend_steps(1 + text.string().size() / 1024);
  return std::any_of(given.list().begin(), given.list().end(),
                     [&](const Value& text) { return matches(text.string()); });
}

Value split(Interpreter& interpreter, Text text, const Arguments& arguments) {
  return split_text(interpreter, text, optional_text(arguments, 0, "sep"), optional_count(arguments, 1, "maxsplit"));
}

Value split_right(Interpreter& interpreter, Text text, const Arguments& arguments) {
  const auto separator = optional_text(arguments, 0, "sep");
  std::int64_t left = optional_count(arguments, 1, "maxsplit");
  if (left < 0 || !separator) return split_text(interpreter, text, separator, left);
  if (separator->empty()) throw TemplateError("rsplit(): an empty separator");
  spend_search(interpreter, text, *separator);
  List parts;
  std::size_t end = text.size();
  for (; left > 0; --left) {
    const std::size_t found =
        end < separator->size() ? std::string::npos : text.rfind(*separator, end - separator->size());
    if (found == std::string::npos) break;
    interpreter.spend_steps(1);
    parts.push_back(interpreter.made(text.substr(found + separator->size(), end - found - separator->size())));
    end = found;
  }
  parts.push_back(interpreter.made(text.substr(0, end)));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

Value split_lines(Interpreter& interpreter, Text text, const Arguments&) {
  List lines;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    interpreter.spend_steps(1);
    lines.push_back(interpreter.made(text.substr(begin, end - begin)));
    begin = end + (text.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return lines;
}

Value join(Interpreter& interpreter, Text text, const Arguments& arguments) {
  ChargedText out(interpreter);
  bool first = true;
  for (const Value& item : interpreter.items_of(argument(arguments, 0, "iterable"))) {
    if (!first) out.add(text);
    first = false;
    out.add(item.string());
  }
  return out.take();
}

Value find(Interpreter& interpreter, Text text, const Arguments& arguments) {
  const Value part = argument(arguments, 0, "sub");
  spend_search(interpreter, text, part.string());
  const std::size_t found = text.find(part.string());
  if (found == std::string::npos) return std::int64_t{-1};
  return Value::size(character_count(std::string_view(text).substr(0, found)));
}

Value find_last(Interpreter& interpreter, Text text, const Arguments& arguments) {
  const Value part = argument(arguments, 0, "sub");
  spend_search(interpreter, text, part.string());
  const std::size_t found = text.rfind(part.string());
  if (found == std::string::npos) return std::int64_t{-1};
  return Value::size(character_count(std::string_view(text).substr(0, found)));
}

Value count(Interpreter& interpreter, Text text, const Arguments& arguments) {
  const std::string part = argument(arguments, 0, "sub").string();
  spend_search(interpreter, text, part);
  if (part.empty()) return Value::size(character_count(text) + 1);
  std::int64_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

// "{} and {name}": no conversions, no format specifications.
Value format(Interpreter& interpreter, Text text, const Arguments& arguments) {
  ChargedText out(interpreter);
  std::size_t next = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '{' && text[at] != '}') {
      out.add(text[at]);
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == text[at]) {
      out.add(text[at++]);
      continue;
    }
    const std::size_t end = text.find('}', at);
    if (text[at] == '}' || end == std::string::npos) throw TemplateError("format(): a brace stands alone");
    const std::string name = text.substr(at + 1, end - at - 1);
    const bool number = !name.empty() && name.size() < 5 && name.find_first_not_of("0123456789") == std::string::npos;
    const std::size_t place = name.empty() ? next++ : (number ? std::stoul(name) : arguments.positional.size());
    const Value value = argument(arguments, place, name);
    if (value.is_undefined()) throw TemplateError("format(): there is no value for {" + name + "}");
    value.write_text(out);
    at = end;
  }
  return out.take();
}

template <typename Predicate>
Value all_characters(Text text, const Predicate& predicate) {
  return !text.empty() && std::all_of(text.begin(), text.end(), predicate);
}

struct NamedMethod {
  std::string_view name;
  StringMethod method;
};

constexpr NamedMethod kStringMethods[] = {
    {"strip", [](Interpreter& i, Text t,
                 const Arguments& a) { return i.made(strip_text(i, t, optional_text(a, 0, "chars"), true, true)); }},
    {"lstrip", [](Interpreter& i, Text t,
                  const Arguments& a) { return i.made(strip_text(i, t, optional_text(a, 0, "chars"), true, false)); }},
    {"rstrip", [](Interpreter& i, Text t,
                  const Arguments& a) { return i.made(strip_text(i, t, optional_text(a, 0, "chars"), false, true)); }},
    {"startswith",
     [](Interpreter& i, Text t, const Arguments& a) -> Value {
       return any_text(i, a, [&](Text prefix) { return t.starts_with(prefix); });
     }},
    {"endswith",
     [](Interpreter& i, Text t, const Arguments& a) -> Value {
       return any_text(i, a, [&](Text suffix) { return t.ends_with(suffix); });
     }},
    {"format", format},
    {"split", split},
    {"rsplit", split_right},
    {"splitlines", split_lines},
    {"join", join},
    {"find", find},
    {"rfind", find_last},
    {"count", count},
    {"upper", [](Interpreter& i, Text t, const Arguments&) { return i.made(upper_text(t)); }},
    {"lower", [](Interpreter& i, Text t, const Arguments&) { return i.made(lower_text(t)); }},
    {"title", [](Interpreter& i, Text t, const Arguments&) { return i.made(title_text(t)); }},
    {"capitalize", [](Interpreter& i, Text t, const Arguments&) { return i.made(capitalized_text(t)); }},
    {"replace",
     [](Interpreter& i, Text t, const Arguments& a) -> Value {
       return replace_text(i, t, argument(a, 0, "old").string(), argument(a, 1, "new").string(),
                           optional_count(a, 2, "count"));
     }},
    {"removeprefix",
     [](Interpreter& i, Text t, const Arguments& a) {
       const std::string part = argument(a, 0, "prefix").string();
       return i.made(t.starts_with(part) ? t.substr(part.size()) : t);
     }},
    {"removesuffix",
     [](Interpreter& i, Text t, const Arguments& a) {
       const std::string part = argument(a, 0, "suffix").string();
       return i.made(t.ends_with(part) ? t.substr(0, t.size() - part.size()) : t);
     }},
    {"isdigit", [](Interpreter&, Text t,
                   const Arguments&) { return all_characters(t, [](char c) { return c >= '0' && c <= '9'; }); }},
    {"isspace",
     [](Interpreter&, Text t, const Arguments&) {
       return all_characters(t, [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
     }},
    {"isalpha",
     [](Interpreter&, Text t, const Arguments&) {
       return all_characters(t, [](char c) {
         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
       });
     }},
    {"isupper", [](Interpreter&, Text t, const Arguments&) -> Value { return is_upper_text(t); }},
    {"islower", [](Interpreter&, Text t, const Arguments&) -> Value { return is_lower_text(t); }},
};

// Null when there is none of that name.
Function dict_method(const Value& object, const std::string& name) {
  if (name == "get") {
    return [object](Interpreter& interpreter, const Arguments& arguments) -> Value {
      const Value key = argument(arguments, 0, "key");
      const Value* found = object.dict().find(key, interpreter);
      if (found != nullptr) return *found;
      return has_argument(arguments, 1, "default") ? argument(arguments, 1, "default") : Value(Value::None{});
    };
  }
  if (name == "items" || name == "keys" || name == "values") {
    return [object, name](Interpreter& interpreter, const Arguments&) -> Value {
      interpreter.spend_steps(object.dict().items().size());
      List list;
      for (const auto& [key, value] : object.dict().items()) {
        if (name == "items") list.emplace_back(List{key, value});
        if (name == "keys") list.emplace_back(key);
        if (name == "values") list.push_back(value);
      }
      return list;
    };
  }
  if (name == "copy") {
    return [object](Interpreter& interpreter, const Arguments&) -> Value {
      interpreter.spend_steps(object.dict().items().size());
      return object.dict();
    };
  }
  return nullptr;
}

}  // namespace

Value character_at(Budget& budget, const std::string& text, std::int64_t place) {
  if (place < 0) {
    budget.spend_walk(text.size());
    place += static_cast<std::int64_t>(character_count(text));
    if (place < 0) return Value::undefined("");
  }
  std::size_t at = 0;
  for (; place > 0 && at < text.size(); --place) at += utf8_step(text, at).bytes;
  budget.spend_walk(at);
  if (at >= text.size()) return Value::undefined("");
  return text.substr(at, utf8_step(text, at).bytes);
}

Value method(const Value& object, const std::string& name) {
  if (object.is_dict() && !object.dict().is_namespace) {
    if (Function found = dict_method(object, name)) return Value::bound_method(std::move(found), object);
  }
  if (object.is_string()) {
    for (const NamedMethod& known : kStringMethods) {
      if (known.name != name) continue;
      return Function([object, call = known.method](Interpreter& interpreter, const Arguments& arguments) {
        interpreter.spend_texts(object, arguments);
        return call(interpreter, object.string(), arguments);
      });
    }
  }
  return Value::undefined(name);
}

}  // namespace regroup::jinja
