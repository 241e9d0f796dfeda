// How alike the key/value heads of a layer are, from the checkpoint's weights: what merging them will cost.
#pragma once

#include "viewer/app_state.h"
#include "viewer/opened_model.h"

namespace regroup::view {

// Of every pair of source KV heads of `layer`. Keys are compared plane by plane: rows 2p and 2p + 1 of a head are a
// complex row z_p; before alignment Re<a, b> / |a||b|, after it |<a, b>| / |a||b|, averaged over planes. Rotating a
// plane of one head's K (and of its queries) changes no score, so the second is what a method that aligns can reach.
LayerHeads similar_heads(const OpenedModel& opened, std::uint32_t layer);

}  // namespace regroup::view
