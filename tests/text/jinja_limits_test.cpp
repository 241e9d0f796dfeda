// Values that are small in memory and without end to walk, and values inside each other: what is charged, and what is
// refused.
#include <pthread.h>

#include <functional>

#include "runtime/text/jinja/template.h"
#include "tests/text/fixture.h"

namespace regroup::jinja {
namespace {

std::string render(const std::string& source, const Limits& limits = {}) {
  return Template(source).render({}, limits);
}

std::string repeated(const std::string& part, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += part;
  return text;
}

// Why `source` is refused, or its output.
std::string refusal(const std::string& source, const Limits& limits = {}) {
  try {
    return "no refusal: " + render(source, limits).substr(0, 100);
  } catch (const TemplateError& error) {
    return error.what();
  }
}

// With a tenth of the usual steps: what is endless is so with few as with many, and is refused sooner.
void expect_over_budget(const std::string& source) {
  const std::string why = refusal(source, {.steps = 200'000});
  EXPECT_TRUE(why == "the template takes too many steps" || why == "the template makes too much text")
      << why << "\n"
      << source.substr(0, 200);
}

// Lists that hold one other list twice, and so on: 2^60 ones, or mappings in the same manner.
const std::string kDoubled = "{% set s = [1] %}" + repeated("{% set s = [s, s] %}", 60);
const std::string kAlsoDoubled = "{% set t = [1] %}" + repeated("{% set t = [t, t] %}", 60);
const std::string kDoubledDicts = "{% set s = {1: 1} %}" + repeated("{% set s = {1: s, 2: s} %}", 60);
// Two equal strings of two megabytes, and lists that hold one many times.
const std::string kLong = "{% set s = 'a' * 2000000 %}{% set t = ('a' * 1000) * 2000 %}";
const std::string kHalf = "{% set s = 'a' * 1000000 %}{% set m = [s] * 10000 %}";

TEST(JinjaLimits, WalksOverValuesThatHoldOthersManyTimesAreCharged) {
  const std::string both = kDoubled + kAlsoDoubled;
  for (const char* use : {"{{ s }}",
                          "{{ s ~ '' }}",
                          "{{ s | string | length }}",
                          "{{ s | tojson }}",
                          "{{ s | tojson(indent=2) }}",
                          "{{ s | trim }}",
                          "{{ s | upper }}",
                          "{{ s | e }}",
                          "{{ s | indent }}",
                          "{{ s | replace('a', 'b') }}",
                          "{{ s | join }}",
                          "{{ ','.join([s | string]) }}",
                          "{{ '%s' % s }}",
                          "{{ '%r' % [s] }}",
                          "{{ '{}'.format(s) }}",
                          "{{ s | format }}",
                          "{{ 'x' | replace(s, '') }}",
                          "{{ 'xyz' | join(s) }}",
                          "{{ raise_exception(s) }}",
                          "{% if s is lower %}{% endif %}",
                          "{% if s is upper %}{% endif %}",
                          "{% set x %}{{ s }}{% endset %}",
                          "{% filter upper %}{{ s }}{% endfilter %}",
                          "{{ {s: 1} | tojson }}"}) {
    expect_over_budget(kDoubled + use);
  }
  for (const char* use : {"{{ s == t }}",
                          "{{ s != t }}",
                          "{{ s < t }}",
                          "{{ s >= t }}",
                          "{{ s in [t] }}",
                          "{{ s not in [t] }}",
                          "{{ s is eq t }}",
                          "{{ s is sameas t }}",
                          "{{ s is lt t }}",
                          "{{ s is in [t] }}",
                          "{{ {s: 1, t: 2} }}",
                          "{{ {s: 1}[t] }}",
                          "{{ {s: 1}.get(t) }}",
                          "{{ t in {s: 1} }}",
                          "{{ {s: 1} == {t: 1} }}",
                          "{{ [s, t] | sort | length }}",
                          "{{ [s, t] | max | length }}",
                          "{{ [s, t] | unique | list | length }}",
                          "{{ [s] | select('==', t) | list | length }}",
                          "{{ {1: s, 2: t} | dictsort(by='value') | length }}"}) {
    expect_over_budget(both + use);
  }
  for (const char* use : {"{{ s }}", "{{ s | tojson }}", "{{ s == s }}"}) expect_over_budget(kDoubledDicts + use);
}

TEST(JinjaLimits, TextIsChargedBeforeItIsThere) {
  for (const char* source : {
           "{{ ([''] * 100000) | tojson(separators=('a' * 100000, ':')) | length }}",
           "{{ {'a': 1, 'b': 2} | tojson(separators=(',', 'a' * 3000000)) | length }}",
           "{{ ([1] * 70000) | tojson(indent=64) | length }}",
           "{{ ([''] * 100000) | join('a' * 100000) | length }}",
           "{{ ('a' * 100000).join([''] * 100000) | length }}",
           "{{ ('\\n' * 1000000) | indent('a' * 100000, blank=true) | length }}",
           "{{ ('a' * 1000).replace('', 'b' * 1000000) | length }}",
           "{{ ('<' * 3000000) | e | length }}",
       }) {
    expect_over_budget(source);
  }
}

TEST(JinjaLimits, LongStringsAreChargedWhereverTheyAreRead) {
  ASSERT_NO_THROW(
      render(kLong + "{% for i in range(5000) %}{% if i == 1 %}{% endif %}{% endfor %}", {.steps = 200'000}));
  for (const char* use :
       {"{% if s is lower %}{% endif %}", "{% if s is upper %}{% endif %}", "{% if s == t %}{% endif %}",
        "{% if s < t %}{% endif %}", "{% if s is eq t %}{% endif %}", "{% if s in [t] %}{% endif %}",
        "{% if {s: 1}[t] %}{% endif %}", "{% if s[-1] %}{% endif %}", "{% if s[1999999] %}{% endif %}",
        "{% if s.isupper() %}{% endif %}", "{% if s.startswith(t) %}{% endif %}",
        "{% if s.startswith([t, t]) %}{% endif %}", "{% if ''.removeprefix(t) %}{% endif %}",
        "{% if [1] | map(attribute=s) | list %}{% endif %}", "{% if s | int %}{% endif %}",
        "{% if 'x' | trim(s) %}{% endif %}", "{% if s | length %}{% endif %}"}) {
    expect_over_budget(kLong + "{% for i in range(5000) %}" + use + "{% endfor %}");
  }
  for (const char* use :
       {"{{ m }}", "{{ m ~ '' }}", "{{ m | join }}", "{{ ''.join(m) }}", "{{ ('%s' * 10000) % m }}", "{{ m | tojson }}",
        "{{ ('{0}' * 100000).format(s) }}", "{{ m | sort | length }}", "{{ m | sort(case_sensitive=true) | length }}",
        "{{ m | max | length }}", "{{ m | max(case_sensitive=true) | length }}", "{{ m | unique | list | length }}",
        "{{ raise_exception(m) }}", "{{ m | map('lower') | list | length }}"}) {
    expect_over_budget(kHalf + use);
  }
  expect_over_budget("{{ ('a' * 1000000).strip('b' * 3000000 ~ 'a') | length }}");
  expect_over_budget("{{ ('\\n' * 4000000).splitlines() | length }}");
  expect_over_budget("{% set l = range(20000) | list %}{% for i in l[:1000] %}{% if -1 in l %}{% endif %}{% endfor %}");
}

TEST(JinjaLimits, SearchesForVariablesAndKeysAreCharged) {
  std::string variables, entries;
  for (int i = 0; i < 5000; ++i) {
    variables += "{% set a" + std::to_string(i) + " = 1 %}";
    entries += "'a" + std::to_string(i) + "': 1, ";
  }
  expect_over_budget(variables);
  expect_over_budget("{% set d = {" + entries + "} %}");
  Dict dict, context;
  for (int i = 0; i < 5000; ++i) dict.set("a" + std::to_string(i), std::int64_t{1});
  context.set("d", std::move(dict));
  for (const char* use : {"d.b", "d['b']", "d.get('b')", "'b' in d", "d == d.copy()"}) {
    const Template loop("{% for i in range(5000) %}{% if " + std::string(use) + " %}{% endif %}{% endfor %}");
    EXPECT_THROW(loop.render(context, {.steps = 200'000}), TemplateError) << use;
  }
}

// What is wide and held by a namespace costs nothing to set: whether a namespace is inside is known.
TEST(JinjaLimits, NamespacesTakeWideValuesAndNoNamespace) {
  std::string wide = "{% set l = [1] %}{% set ns = namespace() %}";
  for (int i = 0; i < 20; ++i) wide += "{% set l = [l] * 1000 %}";
  EXPECT_EQ(render(wide + "{% set ns.x = l %}{{ ns.x | length }}"), "1000");
  for (const char* ring :
       {"ns", "[ns]", "{1: [ns]}", "{'get': ns}.get", "namespace(x=ns)", "[[ns]] * 2", "[{'a': ns}.items]"}) {
    EXPECT_EQ(refusal("{% set ns = namespace() %}{% set ns.me = " + std::string(ring) + " %}"),
              "a namespace() cannot be put into a namespace()")
        << ring;
  }
}

constexpr const char* kTooDeep = "a value is nested too deeply";

TEST(JinjaLimits, ValuesInsideEachOtherHaveALimit) {
  struct Case {
    std::string first, again;
  };
  for (const auto& [first, again] : {
           Case{"{% set s = [] %}", "{% set s = [s] %}"},
           Case{"{% set s = {} %}", "{% set s = {1: s} %}"},
           Case{"{% set s = {} %}", "{% set s = dict(a=s) %}"},
           Case{"{% set s = [] %}", "{% set s = namespace(a=s) %}"},
           Case{"{% set s = {} %}", "{% set s = {1: s.get} %}"},
           Case{"{% set s = {} %}", "{% set s = {1: s}.get %}"},
           Case{"{% set s = [] %}", "{% set s = [s] + [1] %}"},
           Case{"{% set s = [] %}", "{% set s = [s] * 2 %}"},
           Case{"{% set s = 1 %}", "{% set s = {s: 1} %}"},
       }) {
    EXPECT_EQ(refusal(first + repeated(again, 3000)), kTooDeep) << again;
    EXPECT_EQ(render(first + repeated(again, 50) + "{{ s is defined }}"), "True") << again;
  }
  EXPECT_EQ(render("{% set s = [] %}" + repeated("{% set s = [s] %}", kMaxNesting - 1) + "{{ s }}"),
            repeated("[", kMaxNesting) + repeated("]", kMaxNesting));
  EXPECT_EQ(refusal("{% set s = [] %}" + repeated("{% set s = [s] %}", kMaxNesting)), kTooDeep);
  EXPECT_EQ(refusal("{% set ns = namespace(v=1) %}{% for i in range(999) %}{% set ns.v = [ns.v] %}{% endfor %}"),
            kTooDeep);
}

// Runs `body` with a stack of one megabyte.
void with_small_stack(std::function<void()> body) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, std::size_t{1} << 20), 0);
  pthread_t thread;
  const auto start = [](void* argument) -> void* {
    (*static_cast<std::function<void()>*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, start, &body), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(JinjaLimits, TheDeepestValuesNeedLittleStack) {
  with_small_stack([] {
    const std::string deep = "{% set s = [] %}" + repeated("{% set s = [s] %}", kMaxNesting - 1);
    // A namespace that is inside as many lists, and then holds as many.
    const std::string deepest = deep + "{% set ns = namespace(x=1) %}{% set t = [ns] %}" +
                                repeated("{% set t = [t] %}", kMaxNesting - 3) +
                                "{% set ns.x = s[0][0] %}{% set u = t %}";
    EXPECT_EQ(render(deep + "{% set t = s[0] %}{{ (s | tojson == s | string) and s == [t] and not s < [t] }}"), "True");
    EXPECT_GT(render(deepest + "{{ t }}").size(), std::size_t{2 * (2 * kMaxNesting - 6)});
    EXPECT_EQ(render(deepest + "{{ t == u }}{{ t | tojson | length > 100 }}"), "TrueTrue");
    EXPECT_EQ(refusal("{% set s = [] %}" + repeated("{% set s = [s] %}", 20000)), kTooDeep);
  });
}

// What ordinary templates do is charged little: six thousand messages stay far from the limits.
TEST(JinjaLimits, OrdinaryConversationsStayFarFromTheLimits) {
  Dict variables;
  List messages;
  std::size_t said = 0;
  for (int i = 0; i < 6000; ++i) {
    Dict message;
    message.set("role", i % 2 == 0 ? "user" : "assistant");
    message.set("content", std::string(500, 'x'));
    said += 500;
    messages.emplace_back(std::move(message));
  }
  variables.set("messages", std::move(messages));
  variables.set("bos_token", "<s>");
  const NodePtr root = parse(
      "{{ bos_token }}{% for message in messages %}"
      "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}"
      "{{ '<|' + message['role'] + '|>\n' + message['content'] | trim + '\n' }}"
      "{% if loop.last and message.role in ['user', 'tool'] %}{{ message | tojson }}{% endif %}{% endfor %}");
  Limits limits;  // as ChatTemplate sets them
  limits.bytes += said * 16;
  limits.steps += said + 6000 * 1000;
  Interpreter ample(limits);
  EXPECT_GT(ample.render(*root, variables).size(), said);
  EXPECT_LT(ample.steps(), limits.steps / 10);
  EXPECT_LT(ample.bytes(), limits.bytes / 4);
}

}  // namespace
}  // namespace regroup::jinja
