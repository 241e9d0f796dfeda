// Times per token as series: of the run that is shown, and of runs that were pinned.
#pragma once

#include <optional>

#include "runtime/decode/trace.h"
#include "viewer/figure.h"
#include "viewer/panel.h"

namespace regroup::view {

// Whether a decoding step chose token t; the first one behind a prompt comes from the prefill.
bool was_decoded(const Trace& trace, std::size_t t);
// Milliseconds of every decoded token against its place.
Series time_over_tokens(const Trace& trace);
// For every G that all layers had in common: the median, and as error the median distance from it times 1.48, which is
// one standard deviation where times scatter evenly, and which single stalls do not touch.
Series time_against_groups(const Trace& trace);
// Nothing where nothing was decoded.
std::optional<PinnedRun> pinned_run(const Trace& trace);

}  // namespace regroup::view
