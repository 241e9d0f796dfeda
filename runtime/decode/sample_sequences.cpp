#include "runtime/decode/sample_sequences.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/decode/batch.h"

namespace regroup {

std::vector<std::vector<std::uint32_t>> sample_sequences(const Model& model, const Grouping& grouping,
                                                         const SequenceSampling& sampling, const CancelFlag* cancel,
                                                         const Progress& progress) {
  REGROUP_CHECK(sampling.length > 0 && sampling.at_once > 0);
  std::vector<std::vector<std::uint32_t>> drawn;
  if (sampling.count == 0) return drawn;
  // The last token is drawn but never fed.
  Batch batch(model, grouping,
              {.sequences = std::min(sampling.at_once, sampling.count),
               .context = std::max(sampling.length - 1, 1u),
               .cache_type = sampling.cache_type,
               .prefill_chunk = 1});
  const double steps = static_cast<double>(sampling.count) * std::max(sampling.length - 1, 1u);
  double done = 0;
  while (drawn.size() < sampling.count) {
    const auto first = static_cast<std::uint32_t>(drawn.size());
    const std::uint32_t together = std::min(batch.size(), sampling.count - first);
    for (std::uint32_t s = 0; s < batch.size(); ++s) {
      batch.stop(s);
      if (s >= together) continue;
      batch.start(s, {&sampling.first_token, 1},
                  {.temperature = sampling.temperature, .seed = sampling.seed + first + s});
      drawn.push_back({sampling.first_token});
    }
    for (std::uint32_t at = 1; at < sampling.length; ++at) {
      if (cancelled(cancel)) throw_error(ErrorCode::kInterrupted, "stopped while sampling text from the model");
      const auto chosen = batch.decode();
      for (std::uint32_t s = 0; s < together; ++s) drawn[first + s].push_back(chosen[s]->id);
      done += together;
      if (progress) progress("sampling text", done / steps);
    }
  }
  return drawn;
}

}  // namespace regroup
