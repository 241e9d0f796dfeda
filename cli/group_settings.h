// What `eval` and `sweep` share: several numbers of groups from the command line, the text that is judged, and how an
// evaluation is printed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/open_model.h"
#include "runtime/decode/evaluate.h"

namespace regroup::cli {

// One list per setting, each with one number per layer. An option is one number, one number per layer, "all" (every
// number of groups that divides the heads of all layers), a budget, or, where its length is not the number of layers,
// several numbers that are settings of their own. None: the checkpoint's own. Throws kUsage.
std::vector<std::vector<std::uint32_t>> group_settings(const std::vector<std::string>& options, const OpenModel& opened,
                                                       const GroupsChoice& choice, bool quiet);

// -c as the length of a chunk: where it was not given, 512 or the trained context.
void set_default_chunk(OpenOptions& options);
// Throws kUsage when the model has no tokenizer or the text is empty.
EvaluationText cut_for_evaluation(const OpenModel& opened, std::string_view text, std::uint32_t chunk_tokens);

// perplexity, kl_mean, kl_p99, same_top, tokens
Json evaluation_json(const Evaluation& evaluation);

}  // namespace regroup::cli
