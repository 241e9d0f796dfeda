// A chat template in Jinja's language, parsed once: see interpreter.h for what bounds it.
#pragma once

#include <string>
#include <string_view>

#include "runtime/text/jinja/interpreter.h"
#include "runtime/text/jinja/parser.h"

namespace regroup::jinja {

class Template {
 public:
  // Throws TemplateError.
  explicit Template(std::string_view source) : root_(parse(source)) {}

  // The output with these variables. Throws TemplateError. May be called from several threads.
  std::string render(const Dict& variables, const Limits& limits = {}) const {
    return Interpreter(limits).render(*root_, variables);
  }

 private:
  NodePtr root_;
};

}  // namespace regroup::jinja
