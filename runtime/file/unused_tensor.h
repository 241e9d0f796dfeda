// Which tensors of a file can belong to no model, and may be left out without changing what it computes.
#pragma once

#include <string_view>

#include "runtime/file/model_file.h"

namespace regroup {

// Whether models of this kind of file call a weight so. What no model computes with is some exporter's extra: it may
// have any type and is never loaded.
bool may_be_weight(std::string_view name, ModelFileKind kind);

}  // namespace regroup
