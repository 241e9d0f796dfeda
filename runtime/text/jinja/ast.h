// The tree that a template is parsed into.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/text/jinja/value.h"

namespace regroup::jinja {

struct Node;
using NodePtr = std::unique_ptr<Node>;

struct Node {
  enum class Kind {
    // Expressions: what `children` are
    kConstant,     // `constant`
    kName,         // `text`
    kList,         // items
    kDict,         // key, value, key, value, ...
    kAttribute,    // object; `text` is the attribute
    kSubscript,    // object, index
    kSlice,        // object, start, stop, step; each but the object may be null
    kCall,         // callee, positional arguments; `named` arguments
    kFilter,       // input (null in a filter block), positional arguments; `text`, `named`
    kTest,         // input, arguments; `text`
    kNot,          // operand
    kNegative,     // operand
    kPositive,     // operand
    kAnd,          // left, right
    kOr,           // left, right
    kBinary,       // left, right; `text` is + - * / // % ** ~
    kCompare,      // operands; `names` are the operators between them
    kConditional,  // condition, then, else (may be null)
    // Statements
    kBlock,        // statements
    kText,         // `text`
    kOutput,       // expression
    kIf,           // condition, block, condition, block, ...; a last block alone is the else
    kFor,          // iterable, filter (may be null), body, else (may be null); `names` are the targets
    kSet,          // value; `names` are the targets, `text` the attribute of a namespace (or empty)
    kSetBlock,     // filter chain (may be null), body; `names` is the target
    kMacro,        // body; `text` is the name, `named` the parameters with their defaults (may be null)
    kCallBlock,    // call, body; `named` the caller's parameters
    kFilterBlock,  // filter chain, body
    kBreak,
    kContinue,
  };

  Kind kind;
  int line = 0;
  int height = 1;  // of the tree below: bounded, since all that walks the tree recurses
  std::string text;
  Value constant;
  std::vector<NodePtr> children;
  std::vector<std::pair<std::string, NodePtr>> named;
  std::vector<std::string> names;
};

}  // namespace regroup::jinja
