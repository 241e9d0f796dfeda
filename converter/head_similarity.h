// How alike the key/value heads of a layer are, from the weights alone, and how alike the `align` method makes those
// that it merges: what merging will cost, and what turning heads onto each other can save.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/model/model_config.h"
#include "runtime/model/tensor_role.h"

namespace regroup {

struct AttentionLayer;
struct HeadGroups;

// Cosines of every pair of source KV heads, [n][n]. Keys are compared plane by plane of RoPE and averaged, values as
// whole matrices.
struct HeadSimilarity {
  using Matrix = std::vector<std::vector<double>>;
  Matrix key, value;                  // as they are
  Matrix key_aligned, value_aligned;  // the heads of each group turned onto each other
};

// Needs keys and values only. Time grows with the square of the heads' rows: values of more than 1024 rows are not
// aligned, value_aligned is then empty.
HeadSimilarity similar_heads(const AttentionLayer& layer, const HeadGroups& groups);

// The same of a layer of a checkpoint with contiguous groups. Where nothing is merged (groups equal the KV heads) all
// heads count as one group: what merging would meet.
HeadSimilarity similar_heads(const TensorTable& table, const ModelConfig& config, std::uint32_t layer,
                             std::uint32_t groups);

}  // namespace regroup
