// Jinja's filters: what stands behind "|". tojson is the one of transformers.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "runtime/text/jinja/operations.h"
#include "runtime/text/jinja/text_functions.h"

namespace regroup::jinja {
namespace {

using Filter = Value (*)(Interpreter&, const Value&, const Arguments&);

// value.a.b, for attribute="a.b"
Value deep_attribute(Interpreter& interpreter, const Value& value, const std::string& path) {
  interpreter.spend_copy(path.size());
  Value found = value;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t dot = std::min(path.find('.', at), path.size());
    const std::string name = path.substr(at, dot - at);
    const bool number = !name.empty() && name.find_first_not_of("0123456789") == std::string::npos && name.size() < 10;
    if (number) {
      found = subscript(interpreter, found, static_cast<std::int64_t>(std::stoll(name)));
    } else {
      found = found.is_dict() ? subscript(interpreter, found, name) : attribute(interpreter, found, name);
    }
    at = dot + 1;
  }
  return found;
}

Value by_attribute(Interpreter& interpreter, const Value& value, const Value& path) {
  if (path.is_undefined() || path.is_none()) return value;
  if (path.is_integer()) return subscript(interpreter, value, path);
  return deep_attribute(interpreter, value, path.string());
}

Value length(Interpreter&, const Value& input, const Arguments&) {
  if (input.is_string()) return Value::size(character_count(input.string()));
  if (input.is_dict()) return Value::size(input.dict().items().size());
  if (input.is_undefined()) return std::int64_t{0};
  return Value::size(input.list().size());
}

Value default_value(Interpreter&, const Value& input, const Arguments& arguments) {
  const bool unusable = input.is_undefined() || (argument(arguments, 1, "boolean").truth() && !input.truth());
  if (!unusable) return input;
  return has_argument(arguments, 0, "default_value") ? argument(arguments, 0, "default_value") : Value("");
}

Value to_json_filter(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  JsonStyle style;
  const Value indent = argument(arguments, 1, "indent");
  if (indent.is_integer()) {
    style.indent = static_cast<int>(std::clamp<std::int64_t>(indent.integer(), 0, 64));
    style.item_separator = ",";
  } else if (!indent.is_undefined() && !indent.is_none()) {
    throw TemplateError("tojson: this indent is not supported");
  }
  const Value separators = argument(arguments, 2, "separators");
  if (separators.is_list() && separators.list().size() == 2) {
    style.item_separator = separators.list()[0].string();
    style.key_separator = separators.list()[1].string();
  }
  style.ascii_only = argument(arguments, 0, "ensure_ascii").truth();
  style.sort_keys = argument(arguments, 3, "sort_keys").truth();
  return to_json(input, style, interpreter);
}

Value join(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Value given = argument(arguments, 0, "d");
  const Value separator = given.as_string(interpreter);
  const Value path = argument(arguments, 1, "attribute");
  ChargedText out(interpreter);
  bool first = true;
  for (const Value& item : interpreter.items_of(input)) {
    if (!first) out.add(separator.string());
    first = false;
    by_attribute(interpreter, item, path).write_text(out);
  }
  return out.take();
}

Value items(Interpreter& interpreter, const Value& input, const Arguments&) {
  if (input.is_undefined()) return List{};
  if (!input.is_dict()) throw TemplateError("items: " + input.type_name() + " is no mapping");
  return method(input, "items").function()(interpreter, {});
}

// select, reject: test and its arguments; selectattr, rejectattr: an attribute in front of them.
Value pick(Interpreter& interpreter, const Value& input, const Arguments& arguments, bool by_name, bool wanted) {
  List kept;
  if (!input.truth()) return kept;  // None too
  Arguments rest = arguments;
  Value path;
  const auto take_first = [&] {
    Value first = rest.positional.at(0);
    rest.positional.erase(rest.positional.begin());
    return first;
  };
  if (by_name) {
    if (rest.positional.empty()) throw TemplateError("selectattr: the attribute is missing");
    path = take_first();
  }
  const std::string name = rest.positional.empty() ? "" : take_first().string();
  for (const Value& item : interpreter.items_of(input)) {
    const Value value = by_name ? by_attribute(interpreter, item, path) : item;
    const bool holds = name.empty() ? value.truth() : test(interpreter, name, value, rest);
    if (holds == wanted) kept.push_back(item);
  }
  return kept;
}

Value map(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  List out;
  if (!input.truth()) return out;  // None too
  const Value path = argument(arguments, 99, "attribute");
  Arguments rest = arguments;
  std::string name;
  if (path.is_undefined()) {
    if (rest.positional.empty()) throw TemplateError("map: a filter or attribute is missing");
    name = rest.positional[0].string();
    rest.positional.erase(rest.positional.begin());
  }
  const Value otherwise = argument(arguments, 99, "default");
  for (const Value& item : interpreter.items_of(input)) {
    if (!name.empty()) {
      out.push_back(filter(interpreter, name, item, rest));
      continue;
    }
    Value found = by_attribute(interpreter, item, path);
    out.push_back(found.is_undefined() && !otherwise.is_undefined() ? otherwise : found);
  }
  return out;
}

Value sorting_key(Interpreter& interpreter, const Value& value, bool case_sensitive) {
  if (!value.is_string() || case_sensitive) return value;
  interpreter.spend_walk(value.string().size());
  return interpreter.made(lower_text(value.string()));
}

List sorted(Interpreter& interpreter, List list, const Value& path, bool case_sensitive, bool reverse) {
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : list) {
    Value key = sorting_key(interpreter, by_attribute(interpreter, item, path), case_sensitive);
    keyed.emplace_back(std::move(key), std::move(item));
  }
  // Merge sort by hand-written comparisons: compare() may throw, which std::stable_sort survives.
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    const int order = compare(a.first, b.first, interpreter);
    return reverse ? order > 0 : order < 0;
  });
  list.clear();
  for (auto& [key, item] : keyed) list.push_back(std::move(item));
  return list;
}

Value sort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  return sorted(interpreter, interpreter.items_of(input), argument(arguments, 2, "attribute"),
                argument(arguments, 1, "case_sensitive").truth(), argument(arguments, 0, "reverse").truth());
}

Value dictsort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Value by = argument(arguments, 1, "by");
  const std::int64_t column = by.is_string() && by.string() == "value" ? 1 : 0;
  const Value pairs = method(input, "items").function()(interpreter, {});
  return sorted(interpreter, pairs.list(), column, argument(arguments, 0, "case_sensitive").truth(),
                argument(arguments, 2, "reverse").truth());
}

Value unique(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  List out, keys;
  for (const Value& item : interpreter.items_of(input)) {
    const Value key = sorting_key(interpreter, by_attribute(interpreter, item, argument(arguments, 1, "attribute")),
                                  argument(arguments, 0, "case_sensitive").truth());
    if (contains(interpreter, keys, key)) continue;
    keys.push_back(key);
    out.push_back(item);
  }
  return out;
}

Value extreme(Interpreter& interpreter, const Value& input, const Arguments& arguments, int wanted) {
  const List list = interpreter.items_of(input);
  if (list.empty()) return Value::undefined("");
  const bool case_sensitive = argument(arguments, 0, "case_sensitive").truth();
  const Value path = argument(arguments, 1, "attribute");
  const auto key_of = [&](const Value& item) {
    return sorting_key(interpreter, by_attribute(interpreter, item, path), case_sensitive);
  };
  const Value* best = &list[0];
  Value best_key = key_of(*best);
  for (const Value& item : list) {
    Value key = key_of(item);
    if (compare(key, best_key, interpreter) != wanted) continue;
    best = &item;
    best_key = std::move(key);
  }
  return *best;
}

Value indent(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Value given = argument(arguments, 0, "width");
  const std::string margin =
      given.is_string()
          ? given.string()
          : std::string(
                static_cast<std::size_t>(given.is_undefined() ? 4 : std::clamp<std::int64_t>(given.integer(), 0, 256)),
                ' ');
  const bool first = argument(arguments, 1, "first").truth(), blank = argument(arguments, 2, "blank").truth();
  const Value whole = input.as_string(interpreter);
  const std::string_view text = whole.string();
  ChargedText out(interpreter);
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const bool empty = end == at;
    if ((at > 0 || first) && (!empty || blank)) out.add(margin);
    out.add(text.substr(at, end - at));
    if (end < text.size()) out.add('\n');
    at = end + 1;
  }
  return out.take();
}

Value to_integer(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Value otherwise =
      has_argument(arguments, 0, "default") ? argument(arguments, 0, "default") : Value(std::int64_t{0});
  if (input.is_float()) {
    return std::abs(input.real()) < 9e18 ? Value(static_cast<std::int64_t>(input.real())) : otherwise;
  }
  if (input.is_number()) return input.integer();
  if (!input.is_string()) return otherwise;
  const std::string text = strip_text(interpreter, input.string(), std::nullopt, true, true);
  double number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size() || !(std::abs(number) < 9e18))
    return otherwise;
  return static_cast<std::int64_t>(number);
}

Value to_real(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  if (input.is_number()) return input.real();
  double number = 0;
  const std::string text = input.is_string() ? strip_text(interpreter, input.string(), std::nullopt, true, true) : "";
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size()) return number;
  return has_argument(arguments, 0, "default") ? argument(arguments, 0, "default") : Value(0.0);
}

Value round_number(Interpreter&, const Value& input, const Arguments& arguments) {
  const Value digits = argument(arguments, 0, "precision");
  const double scale = std::pow(
      10.0, static_cast<double>(digits.is_undefined() ? 0 : std::clamp<std::int64_t>(digits.integer(), -15, 15)));
  const Value how = argument(arguments, 1, "method");
  const double scaled = input.real() * scale;
  if (how.is_string() && how.string() == "ceil") return std::ceil(scaled) / scale;
  if (how.is_string() && how.string() == "floor") return std::floor(scaled) / scale;
  return std::nearbyint(scaled) / scale;  // halves to even, as in Python
}

Value absolute(Interpreter&, const Value& input, const Arguments&) {
  if (input.is_float()) return std::abs(input.real());
  return input.integer() < 0 ? negative(input) : Value(input.integer());
}

Value sum(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  Value total = has_argument(arguments, 1, "start") ? argument(arguments, 1, "start") : Value(std::int64_t{0});
  for (const Value& item : interpreter.items_of(input)) {
    total = binary(interpreter, "+", total, by_attribute(interpreter, item, argument(arguments, 0, "attribute")));
  }
  return total;
}

Value reverse(Interpreter& interpreter, const Value& input, const Arguments&) {
  List list = interpreter.items_of(input);
  std::reverse(list.begin(), list.end());
  if (!input.is_string()) return list;
  std::string text;
  for (const Value& character : list) text += character.string();
  return interpreter.made(std::move(text));
}

Value escape(Interpreter& interpreter, const Value& input, const Arguments&) {
  const Value text = input.as_string(interpreter);
  ChargedText out(interpreter);
  for (const char c : text.string()) {
    switch (c) {
      case '&':
        out.add("&amp;");
        break;
      case '<':
        out.add("&lt;");
        break;
      case '>':
        out.add("&gt;");
        break;
      case '"':
        out.add("&#34;");
        break;
      case '\'':
        out.add("&#39;");
        break;
      default:
        out.add(c);
    }
  }
  return out.take();
}

struct NamedFilter {
  std::string_view name;
  Filter filter;
};

constexpr NamedFilter kFilters[] = {
    {"trim",
     [](Interpreter& i, const Value& v, const Arguments& a) {
       const Value characters = argument(a, 0, "chars");
       const auto given = characters.is_string() ? std::optional(characters.string()) : std::nullopt;
       return i.made(strip_text(i, v.as_string(i).string(), given, true, true));
     }},
    {"length", length},
    {"count", length},
    {"default", default_value},
    {"d", default_value},
    {"tojson", to_json_filter},
    {"upper",
     [](Interpreter& i, const Value& v, const Arguments&) { return i.made(upper_text(v.as_string(i).string())); }},
    {"lower",
     [](Interpreter& i, const Value& v, const Arguments&) { return i.made(lower_text(v.as_string(i).string())); }},
    {"title",
     [](Interpreter& i, const Value& v, const Arguments&) { return i.made(title_text(v.as_string(i).string())); }},
    {"capitalize", [](Interpreter& i, const Value& v,
                      const Arguments&) { return i.made(capitalized_text(v.as_string(i).string())); }},
    {"string", [](Interpreter& i, const Value& v, const Arguments&) { return v.as_string(i); }},
    {"safe", [](Interpreter&, const Value& v, const Arguments&) { return v; }},
    {"join", join},
    {"items", items},
    {"list", [](Interpreter& i, const Value& v, const Arguments&) -> Value { return i.items_of(v); }},
    {"select", [](Interpreter& i, const Value& v, const Arguments& a) { return pick(i, v, a, false, true); }},
    {"reject", [](Interpreter& i, const Value& v, const Arguments& a) { return pick(i, v, a, false, false); }},
    {"selectattr", [](Interpreter& i, const Value& v, const Arguments& a) { return pick(i, v, a, true, true); }},
    {"rejectattr", [](Interpreter& i, const Value& v, const Arguments& a) { return pick(i, v, a, true, false); }},
    {"map", map},
    {"sort", sort},
    {"dictsort", dictsort},
    {"unique", unique},
    {"min", [](Interpreter& i, const Value& v, const Arguments& a) { return extreme(i, v, a, -1); }},
    {"max", [](Interpreter& i, const Value& v, const Arguments& a) { return extreme(i, v, a, 1); }},
    {"first",
     [](Interpreter& i, const Value& v, const Arguments&) {
       const List list = i.items_of(v);
       return list.empty() ? Value::undefined("") : list.front();
     }},
    {"last",
     [](Interpreter& i, const Value& v, const Arguments&) {
       const List list = i.items_of(v);
       return list.empty() ? Value::undefined("") : list.back();
     }},
    {"reverse", reverse},
    {"sum", sum},
    {"int", to_integer},
    {"float", to_real},
    {"round", round_number},
    {"abs", absolute},
    {"indent", indent},
    {"replace",
     [](Interpreter& i, const Value& v, const Arguments& a) {
       const Value most = argument(a, 2, "count");
       const Value text = v.as_string(i), old_part = argument(a, 0, "old").as_string(i),
                   new_part = argument(a, 1, "new").as_string(i);
       return replace_text(i, text.string(), old_part.string(), new_part.string(),
                           most.is_integer() ? most.integer() : -1);
     }},
    {"escape", escape},
    {"e", escape},
    {"attr", [](Interpreter& i, const Value& v,
                const Arguments& a) { return attribute(i, v, argument(a, 0, "name").string()); }},
    {"format",
     [](Interpreter& i, const Value& v, const Arguments& a) { return binary(i, "%", v.as_string(i), a.positional); }},
};

}  // namespace

Value filter(Interpreter& interpreter, const std::string& name, const Value& input, const Arguments& arguments) {
  for (const NamedFilter& known : kFilters) {
    if (known.name != name) continue;
    interpreter.spend_texts(input, arguments);
    return known.filter(interpreter, input, arguments);
  }
  throw TemplateError("there is no filter '" + name + "'");
}

}  // namespace regroup::jinja
