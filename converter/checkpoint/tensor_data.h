// The bytes of one output tensor, in pieces.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "converter/attention_layer.h"
#include "converter/checkpoint/checkpoint_plan.h"
#include "runtime/core/progress.h"

namespace regroup {

using PieceSink = std::function<void(std::span<const std::byte>)>;

// Calls `sink` with the tensor's data from the first byte to the last. `merged`: the tensor's layer, where
// tensor.merged says so. Pages of `file` that were read are released. Throws kInterrupted between pieces.
void for_each_piece(const OutputTensor& tensor, const ModelFile& file, const ModelConfig& config,
                    const FileConventions& conventions, const AttentionLayer* merged, const PieceSink& sink,
                    const CancelFlag* cancel = nullptr);

}  // namespace regroup
