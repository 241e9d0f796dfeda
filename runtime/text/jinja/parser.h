// Tokens to a tree, with Jinja's grammar and precedence.
#pragma once

#include <string_view>

#include "runtime/text/jinja/ast.h"

namespace regroup::jinja {

// The template as one kBlock. Throws TemplateError naming the line: for errors, for what is not supported (inheritance,
// imports, extensions) and for nesting beyond 128 levels.
NodePtr parse(std::string_view source);

}  // namespace regroup::jinja
