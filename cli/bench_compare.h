// regroup bench --compare: two measurements of the same tests, what changed and whether that is more than noise.
#pragma once

#include <string>

namespace regroup::cli {

// `before` and `after` are documents of `bench -o json` or lines of `-o jsonl` (llama-bench's too: its field names are
// the same). Prints a table, or one JSON document. Throws kFailed, kUsage.
int compare_benchmarks(const std::string& before, const std::string& after, bool json);

}  // namespace regroup::cli
