// Text that a model writes by itself, as token ids: what calibrates a conversion when no text is given.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/model/grouping.h"
#include "runtime/model/model.h"
#include "runtime/ops/kv_cache_layout.h"

namespace regroup {

struct SequenceSampling {
  std::uint32_t count = 1;        // sequences
  std::uint32_t length = 256;     // tokens of each, the first one included
  std::uint32_t first_token = 0;  // that every sequence starts with: the model's BOS, where it has one
  float temperature = 1.0f;
  std::uint64_t seed = 0;     // sequence i is drawn with seed + i
  std::uint32_t at_once = 8;  // decoded together; changes speed and memory, not what is drawn
  CacheType cache_type = CacheType::kF16;
};

// [count][length] ids, drawn from the model's whole distribution; an end-of-text token does not end a sequence. Throws
// kUsage (a first token outside the vocabulary), kOutOfMemory, kInterrupted when cancelled.
std::vector<std::vector<std::uint32_t>> sample_sequences(const Model& model, const Grouping& grouping,
                                                         const SequenceSampling& sampling,
                                                         const CancelFlag* cancel = nullptr,
                                                         const Progress& progress = {});

}  // namespace regroup
