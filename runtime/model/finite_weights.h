// Weights that are no numbers. Loading does not look for them, which would cost time with every model; what computes
// something that is no number does, to tell a damaged file from an overflow.
#pragma once

#include "runtime/core/error.h"
#include "runtime/core/progress.h"
#include "runtime/file/model_file.h"

namespace regroup {

// Reads every weight that the model of `file` computes with. Throws kBadModel naming the file, the tensor and the place
// of the first that is infinite or not a number; kInterrupted.
void check_finite_weights(const ModelFile& file, const CancelFlag* cancel = nullptr);

// What `work`, which computes with the model of `file`, returns. Where it throws kNotANumber and that comes of the
// weights, throws as check_finite_weights instead.
template <typename Work>
decltype(auto) blaming_weights(const ModelFile& file, const CancelFlag* cancel, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotANumber) check_finite_weights(file, cancel);
    throw;
  }
}

}  // namespace regroup
