// Linear maps in the space of one head by which a merge method makes the shared head of a group from its members,
// folding what it did to keys and values into the members' queries and outputs.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <vector>

#include "converter/attention_layer.h"
#include "converter/head_groups.h"

namespace regroup {

// What becomes of one source KV head j and of the query heads that read it. RoPE commutes with complex factors of its
// planes and with nothing else, so keys and queries have a factor for each of the P planes, and a free map only of the
// U dims that RoPE leaves.
//   shared key   = sum_j key_j k_j        query of j' = query_j q
//   shared value = sum_j value_j v_j      W_o of j'   = W_o output_j
struct HeadMap {
  Eigen::VectorXcd key_planes, query_planes;  // [P]
  Eigen::MatrixXd key_rest, query_rest;       // [U, U]
  Eigen::MatrixXd value, output;              // [D, D]

  static HeadMap identity(std::uint32_t head_dim, std::uint32_t rotary_dims);
};

// One map for each member of a group, in the group's order.
using GroupMaps = std::vector<HeadMap>;

// rows of keys or queries of one head, [D, columns] (of W, of a bias, or activations transposed): plane p, the rows
// 2p and 2p + 1 as real and imaginary part, times planes[p]; the other rows by `rest`.
Eigen::MatrixXd mapped_rows(const Eigen::VectorXcd& planes, const Eigen::MatrixXd& rest, const Eigen::MatrixXd& rows);

// `source` with each group merged by its maps, queries, outputs and biases included. In double, rounded once.
AttentionLayer apply_maps(const AttentionLayer& source, const HeadGroups& groups, std::span<const GroupMaps> maps);

}  // namespace regroup
