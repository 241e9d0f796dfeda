#include "runtime/text/jinja/interpreter.h"

#include <algorithm>
#include <array>

#include "runtime/core/utf8.h"
#include "runtime/text/jinja/operations.h"

namespace regroup::jinja {
namespace {

using Kind = Node::Kind;

// What the variable "loop" costs, which is made anew for every item.
constexpr std::size_t kLoopSteps = 8;

Value loop_variable(const List& items, std::size_t i) {
  Dict loop;
  const std::size_t count = items.size();
  loop.set("index", Value::size(i + 1));
  loop.set("index0", Value::size(i));
  loop.set("revindex", Value::size(count - i));
  loop.set("revindex0", Value::size(count - i - 1));
  loop.set("first", i == 0);
  loop.set("last", i + 1 == count);
  loop.set("length", Value::size(count));
  loop.set("depth", std::int64_t{1});
  loop.set("depth0", std::int64_t{0});
  if (i > 0) loop.set("previtem", items[i - 1]);
  if (i + 1 < count) loop.set("nextitem", items[i + 1]);
  loop.set("cycle", Function([i](Interpreter&, const Arguments& arguments) {
             if (arguments.positional.empty()) throw TemplateError("loop.cycle() needs values");
             return arguments.positional[i % arguments.positional.size()];
           }));
  return loop;
}

}  // namespace

const Value* Scope::find(std::string_view name, Budget& budget) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent) {
    budget.spend_steps(scope->variables.size() / 16);
    for (const auto& [known, value] : scope->variables) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

void Scope::set(const std::string& name, Value value) {
  for (auto& [known, old] : variables) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

Interpreter::Depth::Depth(Interpreter& interpreter) : interpreter_(interpreter) {
  if (++interpreter_.depth_ > interpreter_.limits().depth) {
    --interpreter_.depth_;
    throw TemplateError("the template calls itself too deeply");
  }
}

Value Interpreter::made(std::string text) {
  spend_bytes(text.size());
  return text;
}

void Interpreter::spend_texts(const Value& subject, const Arguments& given) {
  if (subject.is_string()) spend_walk(subject.string().size());
  for (const Value& value : given.positional) {
    if (value.is_string()) spend_copy(value.string().size());
  }
  for (const auto& [name, value] : given.named) {
    if (value.is_string()) spend_copy(value.string().size());
  }
}

List Interpreter::items_of(const Value& value) {
  List items;
  if (value.is_list()) {
    spend_steps(value.list().size());
    return value.list();
  }
  if (value.is_dict()) {
    for (const auto& [key, item] : value.dict().items()) items.emplace_back(key);
  } else if (value.is_string()) {
    const std::string& text = value.string();
    spend_steps(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = utf8_step(text, at).bytes;
      items.emplace_back(text.substr(at, size));
      at += size;
    }
  } else if (!value.is_undefined()) {
    throw TemplateError(value.type_name() + " cannot be walked through");
  }
  spend_steps(items.size());
  return items;
}

Scope& Interpreter::new_scope(Scope* parent) {
  spend_steps(1);
  Scope& scope = scopes_.emplace_back();
  scope.parent = parent;
  return scope;
}

Interpreter::InnerScope::InnerScope(Interpreter& interpreter, Scope& parent)
    : interpreter_(interpreter),
      scopes_before_(interpreter.scopes_.size()),
      macros_before_(interpreter.macros_),
      scope_(interpreter.new_scope(&parent)) {}

Interpreter::InnerScope::~InnerScope() {
  if (interpreter_.macros_ != macros_before_) return;
  while (interpreter_.scopes_.size() > scopes_before_) interpreter_.scopes_.pop_back();
}

void Interpreter::write(std::string& out, std::string_view text) {
  spend_bytes(text.size());
  out += text;
}

void Interpreter::write(std::string& out, const Value& value) {
  if (value.is_string()) return write(out, std::string_view(value.string()));
  out += value.as_string(*this).string();
}

std::string Interpreter::render(const Node& root, const Dict& context) {
  Budget::operator=(Budget(limits()));
  macros_ = 0;
  scopes_.clear();
  Scope& globals = new_scope(nullptr);
  for (const auto& [name, value] : context.items()) globals.set(name.string(), value);
  std::string out;
  run(root, new_scope(&globals), out);
  scopes_.clear();
  return out;
}

Interpreter::Flow Interpreter::run(const Node& node, Scope& scope, std::string& out) {
  const Depth depth(*this);
  spend_steps(1);
  switch (node.kind) {
    case Kind::kBlock:
      for (const NodePtr& statement : node.children) {
        const Flow flow = run(*statement, scope, out);
        if (flow != Flow::kNormal) return flow;
      }
      return Flow::kNormal;
    case Kind::kText:
      write(out, std::string_view(node.text));
      return Flow::kNormal;
    case Kind::kOutput:
      write(out, evaluate(*node.children[0], scope));
      return Flow::kNormal;
    case Kind::kIf: {
      std::size_t i = 0;
      for (; i + 1 < node.children.size(); i += 2) {
        if (evaluate(*node.children[i], scope).truth()) return run(*node.children[i + 1], scope, out);
      }
      return i < node.children.size() ? run(*node.children[i], scope, out) : Flow::kNormal;
    }
    case Kind::kFor:
      return run_for(node, scope, out);
    case Kind::kSet:
      run_set(node, scope);
      return Flow::kNormal;
    case Kind::kSetBlock:
      scope.set(node.names[0], evaluate_chain(node.children[0].get(), capture(*node.children[1], scope), scope));
      return Flow::kNormal;
    case Kind::kMacro:
      scope.set(node.text, macro(node, *node.children[0], scope));
      return Flow::kNormal;
    case Kind::kCallBlock: {
      const Node& call = *node.children[0];
      Arguments given = arguments(call, 1, scope);
      given.named.emplace_back("caller", macro(node, *node.children[1], scope));
      write(out, evaluate(*call.children[0], scope).function()(*this, given));
      return Flow::kNormal;
    }
    case Kind::kFilterBlock:
      write(out, evaluate_chain(node.children[0].get(), capture(*node.children[1], scope), scope));
      return Flow::kNormal;
    case Kind::kBreak:
      return Flow::kBreak;
    case Kind::kContinue:
      return Flow::kContinue;
    default:
      throw TemplateError("an expression stands where a statement should");
  }
}

Interpreter::Flow Interpreter::run_for(const Node& node, Scope& scope, std::string& out) {
  List items = items_of(evaluate(*node.children[0], scope));
  if (node.children[1] != nullptr) {
    List kept;
    for (const Value& item : items) {
      const InnerScope inner(*this, scope);
      assign(node.names, item, inner.scope_);
      if (evaluate(*node.children[1], inner.scope_).truth()) kept.push_back(item);
    }
    items = std::move(kept);
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    spend_steps(kLoopSteps);
    const InnerScope inner(*this, scope);
    inner.scope_.set("loop", loop_variable(items, i));
    assign(node.names, items[i], inner.scope_);
    if (run(*node.children[2], inner.scope_, out) == Flow::kBreak) break;
  }
  if (items.empty() && node.children[3] != nullptr) return run(*node.children[3], scope, out);
  return Flow::kNormal;
}

void Interpreter::assign(const std::vector<std::string>& names, const Value& value, Scope& scope) {
  spend_steps(names.size() * scope.variables.size() / 16);
  if (names.size() == 1) {
    scope.set(names[0], value);
    return;
  }
  const List parts = items_of(value);
  if (parts.size() != names.size()) {
    throw TemplateError(std::to_string(parts.size()) + " values for " + std::to_string(names.size()) + " names");
  }
  for (std::size_t i = 0; i < names.size(); ++i) scope.set(names[i], parts[i]);
}

void Interpreter::run_set(const Node& node, Scope& scope) {
  const Value value = evaluate(*node.children[0], scope);
  if (node.text.empty()) {
    assign(node.names, value, scope);
    return;
  }
  const Value* target = scope.find(node.names[0], *this);
  if (target == nullptr) throw TemplateError("'" + node.names[0] + "' is undefined");
  // Setting a namespace inside itself would make a ring.
  if (value.nesting().name_space) throw TemplateError("a namespace() cannot be put into a namespace()");
  target->name_space().set(node.text, value, *this);
}

// `node` has the parameters; the macro sees the variables of the place that defines it.
Value Interpreter::macro(const Node& node, const Node& body, Scope& scope) {
  ++macros_;
  return Function([&node, &body, &scope](Interpreter& interpreter, const Arguments& given) -> Value {
    const Depth depth(interpreter);
    const InnerScope own(interpreter, scope);
    Scope& inner = own.scope_;
    if (given.positional.size() > node.named.size()) {
      throw TemplateError("macro '" + node.text + "' takes " + std::to_string(node.named.size()) + " arguments");
    }
    for (const auto& [name, value] : given.named) {
      const auto known = [&name = name](const auto& parameter) { return parameter.first == name; };
      if (name != "caller" && std::none_of(node.named.begin(), node.named.end(), known)) {
        throw TemplateError("macro '" + node.text + "' has no parameter '" + name + "'");
      }
      inner.set(name, value);
    }
    for (std::size_t i = 0; i < node.named.size(); ++i) {
      const auto& [name, otherwise] = node.named[i];
      if (i < given.positional.size()) {
        inner.set(name, given.positional[i]);
      } else if (std::none_of(inner.variables.begin(), inner.variables.end(),
                              [&name = name](const auto& v) { return v.first == name; })) {
        inner.set(name, otherwise == nullptr ? Value::undefined(name) : interpreter.evaluate(*otherwise, inner));
      }
    }
    std::string out;
    interpreter.run(body, inner, out);
    return out;
  });
}

Value Interpreter::capture(const Node& body, Scope& scope) {
  std::string out;
  run(body, InnerScope(*this, scope).scope_, out);
  return out;
}

Value Interpreter::evaluate_chain(const Node* chain, Value input, Scope& scope) {
  if (chain == nullptr) return input;
  const Node* inner = chain->children[0].get();
  Value before = evaluate_chain(inner, std::move(input), scope);
  return filter(*this, chain->text, before, arguments(*chain, 1, scope));
}

Arguments Interpreter::arguments(const Node& node, std::size_t first, Scope& scope) {
  Arguments given;
  for (std::size_t i = first; i < node.children.size(); ++i)
    given.positional.push_back(evaluate(*node.children[i], scope));
  for (const auto& [name, value] : node.named) given.named.emplace_back(name, evaluate(*value, scope));
  return given;
}

Value Interpreter::evaluate(const Node& node, Scope& scope) {
  const Depth depth(*this);
  spend_steps(1);
  const auto child = [&](std::size_t i) { return evaluate(*node.children[i], scope); };
  switch (node.kind) {
    case Kind::kConstant:
      return node.constant;
    case Kind::kName: {
      if (const Value* value = scope.find(node.text, *this)) return *value;
      Value function = global_function(node.text);
      return function.is_undefined() ? Value::undefined(node.text) : function;
    }
    case Kind::kList: {
      List list;
      for (std::size_t i = 0; i < node.children.size(); ++i) list.push_back(child(i));
      return list;
    }
    case Kind::kDict: {
      Dict dict;
      for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
        const Value key = child(i);
        dict.set(key, child(i + 1), *this);
      }
      return dict;
    }
    case Kind::kAttribute:
      return attribute(*this, child(0), node.text);
    case Kind::kSubscript: {
      const Value object = child(0);
      return subscript(*this, object, child(1));
    }
    case Kind::kSlice:
      return slice(node, scope);
    case Kind::kCall: {
      const Value callee = child(0);
      return callee.function()(*this, arguments(node, 1, scope));
    }
    case Kind::kFilter: {
      // default() is what makes an undefined value usable, even one inside an undefined value.
      const Value input = child(0);
      return filter(*this, node.text, input, arguments(node, 1, scope));
    }
    case Kind::kTest: {
      const Value input = child(0);
      return test(*this, node.text, input, arguments(node, 1, scope));
    }
    case Kind::kNot:
      return !child(0).truth();
    case Kind::kNegative:
      return negative(child(0));
    case Kind::kPositive: {
      Value value = child(0);
      if (!value.is_number()) throw TemplateError("a number is needed where " + value.type_name() + " is");
      return value;
    }
    case Kind::kAnd: {
      Value left = child(0);
      return left.truth() ? child(1) : left;
    }
    case Kind::kOr: {
      Value left = child(0);
      return left.truth() ? left : child(1);
    }
    case Kind::kBinary: {
      const Value left = child(0);
      return binary(*this, node.text, left, child(1));
    }
    case Kind::kCompare:
      return compare_chain(node, scope);
    case Kind::kConditional:
      if (child(0).truth()) return child(1);
      return node.children[2] == nullptr ? Value::undefined("") : child(2);
    default:
      throw TemplateError("a statement stands where an expression should");
  }
}

bool Interpreter::compare_chain(const Node& node, Scope& scope) {
  Value left = evaluate(*node.children[0], scope);
  for (std::size_t i = 0; i < node.names.size(); ++i) {
    const Value right = evaluate(*node.children[i + 1], scope);
    const std::string& name = node.names[i];
    bool holds = false;
    if (name == "==" || name == "!=") {
      holds = equal(left, right, *this) == (name == "==");
    } else if (name == "in" || name == "not in") {
      holds = contains(*this, right, left) == (name == "in");
    } else {
      const int order = compare(left, right, *this);
      holds = name == "<" ? order < 0 : (name == "<=" ? order <= 0 : (name == ">" ? order > 0 : order >= 0));
    }
    if (!holds) return false;
    left = right;
  }
  return true;
}

Value Interpreter::slice(const Node& node, Scope& scope) {
  const Value object = evaluate(*node.children[0], scope);
  const auto bound = [&](std::size_t i, std::int64_t otherwise) {
    if (node.children[i] == nullptr) return otherwise;
    const Value value = evaluate(*node.children[i], scope);
    return value.is_none() ? otherwise : value.integer();
  };
  if (object.is_undefined() || object.is_dict()) throw TemplateError(object.type_name() + " cannot be sliced");
  const List items = items_of(object);
  const auto count = static_cast<std::int64_t>(items.size());
  const std::int64_t step = bound(3, 1);
  if (step == 0) throw TemplateError("a slice with step 0");
  // Python's rules: negative positions count from the end, and everything is cut to what is there.
  const std::int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? count : count - 1;
  const auto place = [&](std::int64_t position) {
    return std::clamp(position < 0 ? position + count : position, lowest, highest);
  };
  const std::int64_t start =
      node.children[1] == nullptr ? (step > 0 ? lowest : highest) : place(bound(1, step > 0 ? 0 : count - 1));
  const std::int64_t stop =
      node.children[2] == nullptr ? (step > 0 ? highest : lowest) : place(bound(2, step > 0 ? count : -1 - count));
  List picked;
  const std::int64_t stride = std::clamp<std::int64_t>(step, -count - 1, count + 1);
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop; i += stride)
    picked.push_back(items[static_cast<std::size_t>(i)]);
  if (!object.is_string()) return picked;
  std::string text;
  for (const Value& character : picked) text += character.string();
  return made(std::move(text));
}

}  // namespace regroup::jinja
