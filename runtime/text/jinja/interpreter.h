// Runs a parsed template. It reaches nothing but the values that it was given, and stops at limits on steps, memory and
// depth.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/jinja/ast.h"

namespace regroup::jinja {

// The variables of a template, a loop or a macro call.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string, Value>> variables;

  const Value* find(std::string_view name, Budget& budget) const;  // here or in a parent
  void set(const std::string& name, Value value);                  // here
};

// It is the budget of what it runs.
class Interpreter : public Budget {
 public:
  explicit Interpreter(const Limits& limits = {}) : Budget(limits) {}

  // The output of `root` with the variables `context`. `root` must outlive the call. Throws TemplateError.
  std::string render(const Node& root, const Dict& context);

  // What filters, tests and methods need.
  Value made(std::string text);       // a string that a template made: its bytes are counted
  List items_of(const Value& value);  // what a loop over it walks
  void spend_texts(const Value& subject, const Arguments& given);  // strings that a filter, test or method reads

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  struct Depth {
    explicit Depth(Interpreter& interpreter);
    ~Depth() { --interpreter_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Interpreter& interpreter_;
  };

  // A scope that is given up when this object goes, unless a macro was made meanwhile, which may need it.
  struct InnerScope {
    InnerScope(Interpreter& interpreter, Scope& parent);
    ~InnerScope();
    InnerScope(const InnerScope&) = delete;
    InnerScope& operator=(const InnerScope&) = delete;
    Interpreter& interpreter_;
    std::size_t scopes_before_, macros_before_;
    Scope& scope_;
  };

  Scope& new_scope(Scope* parent);
  void write(std::string& out, std::string_view text);
  void write(std::string& out, const Value& value);

  Flow run(const Node& node, Scope& scope, std::string& out);
  Flow run_for(const Node& node, Scope& scope, std::string& out);
  void run_set(const Node& node, Scope& scope);
  void assign(const std::vector<std::string>& names, const Value& value, Scope& scope);
  Value macro(const Node& node, const Node& body, Scope& scope);
  Value capture(const Node& body, Scope& scope);

  Value evaluate(const Node& node, Scope& scope);
  Value evaluate_chain(const Node* chain, Value input, Scope& scope);  // a filter chain without its own input
  Value slice(const Node& node, Scope& scope);
  bool compare_chain(const Node& node, Scope& scope);
  Arguments arguments(const Node& node, std::size_t first, Scope& scope);

  int depth_ = 0;
  std::size_t macros_ = 0;    // made so far
  std::deque<Scope> scopes_;  // those inside each other, and older ones that a macro was made in and may outlive
};

}  // namespace regroup::jinja
