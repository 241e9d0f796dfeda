// The template interpreter against recorded outputs of Jinja as transformers sets it up, and against templates made to
// do harm.

#include "runtime/text/jinja/template.h"
#include "tests/text/fixture.h"

namespace regroup::jinja {
namespace {

using Json = nlohmann::ordered_json;

Value value_of(const Json& json) {
  if (json.is_null()) return Value::None{};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number_float()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    List list;
    for (const Json& item : json) list.push_back(value_of(item));
    return list;
  }
  Dict dict;
  for (const auto& [key, item] : json.items()) dict.set(key, value_of(item));
  return dict;
}

std::string render(const std::string& source, const Dict& variables = {}) {
  return Template(source).render(variables);
}

TEST(Jinja, RendersAsTheReference) {
  const Json fixture = Json::parse(read_data("templates.json"));
  const Value context = value_of(fixture.at("context"));
  for (const Json& snippet : fixture.at("snippets")) {
    const auto source = snippet.at("template").get<std::string>();
    if (snippet.at("output").is_null()) {
      EXPECT_THROW(render(source, context.dict()), TemplateError) << source;
      continue;
    }
    std::string output;
    EXPECT_NO_THROW(output = render(source, context.dict())) << source;
    EXPECT_EQ(output, snippet.at("output").get<std::string>()) << source;
  }
}

// str.strip() takes four characters more for white space than Unicode does, and two that only look like it stay.
TEST(Jinja, StripsWhatPythonStrips) {
  Dict variables;
  variables.set("x", "\x1c\x1d\x1e\x1f \u00a0\u3000a\x1c b\u200b\u2028\x1f\x1c");
  const auto with_x = [&](const std::string& source) { return Template(source).render(variables); };
  EXPECT_EQ(with_x("{{ x | trim }}"), "a\x1c b\u200b");
  EXPECT_EQ(with_x("{{ x.strip() }}"), "a\x1c b\u200b");
  EXPECT_EQ(with_x("{{ x.lstrip() }}"), "a\x1c b\u200b\u2028\x1f\x1c");
  EXPECT_EQ(with_x("{{ x.rstrip() }}"), "\x1c\x1d\x1e\x1f \u00a0\u3000a\x1c b\u200b");
  EXPECT_EQ(with_x("{{ x.split() | join('|') }}"), "a|b\u200b");
  EXPECT_EQ(with_x("{{ x.split(none, 1) | length }}"), "2");
  EXPECT_EQ(with_x("{{ '\x1b 7\x1f' | int }}{{ '\x1c 7\x1f' | int }}"), "07");
  EXPECT_EQ(with_x("{{ '\x1c\x1f'.strip() }}{{ '\x1c\x1f'.split() }}"), "[]");
}

TEST(Jinja, TellsItsOwnErrorsFromTheTemplatesRefusal) {
  try {
    render("{{ raise_exception('alternate, please') }}");
    FAIL();
  } catch (const TemplateError& error) {
    EXPECT_TRUE(error.raised());
    EXPECT_STREQ(error.what(), "alternate, please");
  }
  try {
    render("a\nb {{ nothing.here }}");
    FAIL();
  } catch (const TemplateError& error) {
    EXPECT_FALSE(error.raised());
  }
}

std::string many(const std::string& part, std::size_t count, const std::string& middle = "",
                 const std::string& closing = "") {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += part;
  text += middle;
  for (std::size_t i = 0; i < count; ++i) text += closing;
  return text;
}

// Each of these would exhaust the stack, the memory or the patience of a careless interpreter.
TEST(Jinja, StopsTemplatesThatDoHarm) {
  const std::vector<std::string> harmful = {
      "{{ " + many("(", 100'000, "1", ")") + " }}",
      "{{ " + many("[", 5'000, "", "]") + " }}",
      "{{ " + many("not ", 50'000, "1") + " }}",
      "{{ " + many("-", 50'000, "1") + " }}",
      "{{ 1" + many(" + 1", 50'000) + " }}",
      "{{ 1" + many("|abs", 50'000) + " }}",
      "{{ x" + many(".a", 50'000) + " }}",
      "{{ x" + many("[0]", 50'000) + " }}",
      "{{ 1" + many(" if 1 else 1", 50'000) + " }}",
      many("{% if 1 %}", 5'000, "", "{% endif %}"),
      many("{% for a in b %}", 5'000, "", "{% endfor %}"),
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
      "{{ range(10**12) }}",
      "{{ range(0, 9223372036854775807, 1) }}",
      "{{ 'x' * 10**15 }}",
      "{{ [1] * 10**15 }}",
      "{{ 10 ** 100 }}",
      "{{ 9223372036854775807 + 1 }}",
      "{{ (-9223372036854775807 - 1) // -1 }}",
      "{{ -(-9223372036854775807 - 1) }}",
      "{{ 99999999999999999999 }}",
      "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
      "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{% for a in range(99999) %}{{ 'some words and some more of them, again and again' * 20 }}{% endfor %}",
      "{% set ns = namespace() %}{% set ns.me = ns %}",
      "{% set ns = namespace() %}{% set ns.me = [{'a': ns}] %}",
      "{% set ns = namespace(v=1) %}{% for i in range(9999) %}{% set ns.v = [ns.v] %}{% endfor %}{{ ns.v }}",
      "{% set ns = namespace(v=1) %}{% for i in range(9999) %}{% set ns.v = [ns.v] %}{% endfor %}{{ ns.v | tojson }}",
      "{{ 'a'.replace('', 'xxxxxxxxxxxxxxxx' * 1000000) }}",
      "{{ ('a' * 1000000).replace('a', 'b' * 1000) }}",
      "{{ '%s' % ('x' * 70000000) }}",
      "{{ ('a\n' * 1000000) | indent(256, true) }}",
      "{{ 'x' | indent('y' * 70000000) }}",
      "{{ 1.5 | round(999999999999) }}{{ 1 // 0 }}",
      "{{ ''.join(['x' * 1000000] * 1000) }}",
      "{{ 'abc'[::0] }}",
      "{% set x = 'a' * 500000 %}{{ x.replace('a' * 250000 + 'b', '') }}",
      "{% set x = 'a' * 500000 %}{{ (x + 'b').find('a' * 400000 + 'b') }}",
      "{% set x = 'a' * 500000 %}{{ 'a' * 250000 + 'b' in x }}",
      "{{ ('a\n' * 10000) | indent(100000) }}",
  };
  for (const std::string& source : harmful) {  // one that does not end is ended by the time that a suite has
    EXPECT_THROW(render(source), TemplateError) << source.substr(0, 100);
  }
}

// Scopes are given up with their loops, but for those that a macro was made in.
TEST(Jinja, MacrosOutliveTheLoopThatTheyWereMadeIn) {
  EXPECT_EQ(render("{% set ns = namespace(f=[]) %}"
                   "{% for i in range(3) %}{% for j in range(2) %}"
                   "{% macro m(x) %}[{{ i }}{{ j }}{{ x }}]{% endmacro %}{% set ns.f = ns.f + [m] %}"
                   "{% endfor %}{% endfor %}"
                   "{% for i in range(5) %}{% for j in range(5) %}{% endfor %}{% endfor %}"
                   "{% for f in ns.f %}{{ f('!') }}{% endfor %}"),
            "[00!][01!][10!][11!][20!][21!]");
}

TEST(Jinja, ReachesNothingOfTheHost) {
  for (const char* name : {"__class__", "__init__", "__globals__", "__subclasses__", "mro", "func_code", "gi_frame"}) {
    for (const char* object : {"''", "[]", "{}", "namespace()", "range", "1", "none"}) {
      const std::string source = std::string("{{ (") + object + ")." + name + " is defined }}{{ (" + object + ")['" +
                                 name + "'] is defined }}";
      EXPECT_EQ(render(source), "FalseFalse") << source;
    }
  }
}

// Broken templates of every kind end in an error or an output, never in a crash.
TEST(Jinja, SurvivesBrokenTemplates) {
  const nlohmann::json fixture = read_fixture("templates");
  std::uint32_t chance = 12345;
  const auto next = [&](std::size_t below) {
    chance = chance * 1664525u + 1013904223u;
    return (chance >> 8) % below;
  };
  const std::string characters = "{}%#-+|()[]'\"\\.,:=<>*/~ \n0aend";
  for (const auto& [name, published] : fixture.at("published").items()) {
    for (int round = 0; round < 400; ++round) {
      std::string source = published.get<std::string>();
      for (std::size_t changes = 1 + next(4); changes > 0; --changes) {
        const std::size_t at = next(source.size());
        if (next(3) == 0) {
          source.erase(at, 1 + next(20));
        } else if (next(2) == 0) {
          source[at] = characters[next(characters.size())];
        } else {
          source.insert(at, source.substr(next(source.size()), next(30)));
        }
        if (source.empty()) source = "x";
      }
      try {
        Dict message, variables;
        message.set("role", "user");
        message.set("content", "hi");
        variables.set("messages", List{message, message});
        render(source, variables);
      } catch (const TemplateError&) {
      }
    }
  }
}

}  // namespace
}  // namespace regroup::jinja
