// What the two kinds of files store differently though the model is the same.
#pragma once

#include <string_view>

#include "runtime/file/model_file.h"
#include "runtime/ops/rope_store.h"

namespace regroup {

struct FileConventions {
  RopeLayout rows = RopeLayout::kHalfSplit;  // of Q and K
  bool norms_lack_one = false;               // w is stored where the norm multiplies by 1 + w
};

inline FileConventions file_conventions(std::string_view architecture, ModelFileKind kind) {
  const bool gguf = kind == ModelFileKind::kGguf;
  return {.rows = gguf && architecture == "llama" ? RopeLayout::kInterleaved : RopeLayout::kHalfSplit,
          .norms_lack_one = !gguf && architecture == "gemma3"};
}

}  // namespace regroup
