#include "cli/group_settings.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/decode/locate_model.h"

namespace regroup::cli {

std::vector<std::vector<std::uint32_t>> group_settings(const std::vector<std::string>& options, const OpenModel& opened,
                                                       const GroupsChoice& choice, bool quiet) {
  const ModelConfig& config = opened.outline.config;
  std::vector<std::vector<std::uint32_t>> settings;
  const auto add = [&](const std::vector<std::uint32_t>& groups) {
    settings.push_back(GroupPlan::contiguous(config, groups, PoolMethod::kMean).groups());
  };
  for (const std::string& option : options) {
    if (option == "all") {
      for (const std::uint32_t g : possible_groups(config)) add({g});
      continue;
    }
    GroupsChoice one = choice;
    one.groups = option;
    if (one.budget()) {
      add(resolve_groups(opened, one, quiet));
      continue;
    }
    const std::vector<std::uint32_t> numbers = GroupPlan::parse_groups(option);
    if (numbers.size() == 1 || numbers.size() == config.layers.size()) {
      if (numbers.size() > 1 && !quiet) {
        note(fmt::format("--groups {}: one number for each of the {} layers; for settings to compare repeat --groups",
                         option, numbers.size()));
      }
      add(numbers);
    } else {
      for (const std::uint32_t g : numbers) add({g});
    }
  }
  if (settings.empty()) settings.push_back(GroupPlan::identity(config).groups());
  return settings;
}

void set_default_chunk(OpenOptions& options) {
  constexpr std::uint32_t kChunk = 512;
  if (options.context != 0) return;
  const ModelOutline outline = read_outline(ModelFile::open(locate_model(options.model)));
  options.context = std::max(2u, std::min(kChunk, outline.config.context_length));
}

EvaluationText cut_for_evaluation(const OpenModel& opened, std::string_view text, std::uint32_t chunk_tokens) {
  return cut_text(*opened.tokenizer, text, chunk_tokens);
}

Json evaluation_json(const Evaluation& evaluation) {
  return {{"perplexity", evaluation.perplexity},
          {"kl_mean", evaluation.kl_mean},
          {"kl_p99", evaluation.kl_p99},
          {"same_top", evaluation.same_top},
          {"tokens", evaluation.tokens}};
}

}  // namespace regroup::cli
