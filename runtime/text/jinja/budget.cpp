#include "runtime/text/jinja/budget.h"

#include "runtime/text/jinja/value.h"

namespace regroup::jinja {

void Budget::spend_steps(std::size_t steps) {
  if (steps > limits_.steps - steps_) throw TemplateError("the template takes too many steps");
  steps_ += steps;
}

void Budget::spend_bytes(std::size_t bytes) {
  if (bytes > limits_.bytes - bytes_) throw TemplateError("the template makes too much text");
  bytes_ += bytes;
}

}  // namespace regroup::jinja
