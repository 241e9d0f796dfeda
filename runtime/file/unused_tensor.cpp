#include "runtime/file/unused_tensor.h"

#include <algorithm>
#include <array>

namespace regroup {

bool may_be_weight(std::string_view name, ModelFileKind kind) {
  static constexpr std::array<std::string_view, 10> kGguf = {"blk.",      "token_", "output", "position_", "rope_",
                                                             "per_layer", "altup_", "enc.",   "dec.",      "cls"};
  static constexpr std::array<std::string_view, 6> kHuggingFace = {"model.", "layers.", "embed_",
                                                                   "norm.",  "lm_head", "transformer."};
  const auto begins = [&](std::string_view prefix) { return name.starts_with(prefix); };
  return kind == ModelFileKind::kGguf ? std::any_of(kGguf.begin(), kGguf.end(), begins)
                                      : std::any_of(kHuggingFace.begin(), kHuggingFace.end(), begins);
}

}  // namespace regroup
