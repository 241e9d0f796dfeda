// A merged layer while it is being fitted: its weights in whitened coordinates, and its teacher in the same order of
// heads.
#pragma once

#include "converter/head_groups.h"
#include "converter/layer_calibration.h"
#include "converter/training/whitened_inputs.h"

namespace regroup {

struct StudentLayer {
  WeightRows query, key, value;  // [H D, I], [G D, I], [G D, I], of whitened inputs, biases among them
  WeightRows output;             // [d, H D]
};

StudentLayer to_student(const WhitenedInputs& inputs, const AttentionLayer& layer);
// The layer with the student's weights in place of `layer`'s own.
AttentionLayer from_student(const WhitenedInputs& inputs, const StudentLayer& student, AttentionLayer layer);

// The source with its KV heads, too, in the order of the groups: query head h of the merged layer stands for query head
// h of this one.
AttentionLayer in_group_order(const AttentionLayer& source, const HeadGroups& groups);

}  // namespace regroup
