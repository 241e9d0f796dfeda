#include "converter/training/student_layer.h"

#include "converter/merge.h"

namespace regroup {

StudentLayer to_student(const WhitenedInputs& inputs, const AttentionLayer& layer) {
  return {inputs.to_whitened(layer.query, layer.query_bias), inputs.to_whitened(layer.key, layer.key_bias),
          inputs.to_whitened(layer.value, layer.value_bias), layer.output};
}

AttentionLayer from_student(const WhitenedInputs& inputs, const StudentLayer& student, AttentionLayer layer) {
  inputs.from_whitened(student.query, layer.query, layer.query_bias);
  inputs.from_whitened(student.key, layer.key, layer.key_bias);
  inputs.from_whitened(student.value, layer.value, layer.value_bias);
  layer.output = student.output;
  return layer;
}

AttentionLayer in_group_order(const AttentionLayer& source, const HeadGroups& groups) {
  AttentionLayer out = with_query_order(source, groups);
  const Eigen::Index dim = source.head_dim;
  Eigen::Index to = 0;
  for (const auto& group : groups.groups) {
    for (const std::uint32_t head : group) {
      const Eigen::Index from = head * dim;
      out.key.middleRows(to, dim) = source.key.middleRows(from, dim);
      out.value.middleRows(to, dim) = source.value.middleRows(from, dim);
      if (source.key_bias.size() > 0) out.key_bias.segment(to, dim) = source.key_bias.segment(from, dim);
      if (source.value_bias.size() > 0) out.value_bias.segment(to, dim) = source.value_bias.segment(from, dim);
      to += dim;
    }
  }
  return out;
}

}  // namespace regroup
