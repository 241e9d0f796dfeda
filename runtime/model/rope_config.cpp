#include "runtime/model/rope_config.h"

#include <cmath>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/file/bad_file.h"

namespace regroup {
namespace {

double yarn_magnitude(double factor, double scale) {
  return factor <= 1 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
}

// The fields of rope_scaling, or of rope_parameters, which are the same but for rope_theta. Which of them must be there
// is transformers' rule.
void read_scaling(const JsonFields& fields, double context_length, RopeConfig& rope) {
  std::string type = fields.find_string("rope_type").value_or("");
  if (type.empty()) type = fields.find_string("type").value_or("default");
  if (type == "default") return;
  if (type != "linear" && type != "llama3" && type != "yarn") {
    fields.refuse("rope_type", fmt::format("is '{}'; known are default, linear, llama3 and yarn", escaped(type)));
  }
  rope.keys.factor = fields.shown("factor");
  rope.keys.original_context = fields.shown("original_max_position_embeddings");
  rope.keys.low_frequency_factor = fields.shown("low_freq_factor");
  rope.keys.high_frequency_factor = fields.shown("high_freq_factor");
  rope.keys.beta_slow = fields.shown("beta_slow");
  rope.keys.beta_fast = fields.shown("beta_fast");
  rope.keys.attention_factor = fields.shown("attention_factor");
  rope.factor = fields.get_number("factor");
  rope.original_context = fields.find_number("original_max_position_embeddings").value_or(context_length);
  if (type == "linear") {
    rope.scaling = RopeScaling::kLinear;
  } else if (type == "llama3") {
    rope.scaling = RopeScaling::kLlama3;
    rope.original_context = fields.get_number("original_max_position_embeddings");
    rope.low_frequency_factor = fields.get_number("low_freq_factor");
    rope.high_frequency_factor = fields.get_number("high_freq_factor");
  } else {
    rope.scaling = RopeScaling::kYarn;
    rope.beta_fast = fields.find_number("beta_fast").value_or(32.0);
    rope.beta_slow = fields.find_number("beta_slow").value_or(1.0);
    rope.truncate_range = fields.find_bool("truncate").value_or(true);
    const auto given = fields.find_number("attention_factor");
    const auto mscale = fields.find_number("mscale");
    const auto mscale_all = fields.find_number("mscale_all_dim");
    if (given) {
      rope.attention_factor = *given;
    } else if (mscale && mscale_all && *mscale != 0 && *mscale_all != 0) {
      rope.keys.attention_factor = fmt::format("{} over {}", fields.shown("mscale"), fields.shown("mscale_all_dim"));
      rope.attention_factor = yarn_magnitude(rope.factor, *mscale) / yarn_magnitude(rope.factor, *mscale_all);
    } else {
      rope.attention_factor = yarn_magnitude(rope.factor, 1.0);
    }
  }
}

}  // namespace

RopeConfig read_gguf_rope(const GgufMetadata& metadata, std::string_view prefix, double default_theta) {
  const auto key = [&](std::string_view name) { return fmt::format("{}.rope.{}", prefix, name); };
  RopeConfig rope;
  rope.keys.base = GgufMetadata::shown(key("freq_base"));
  rope.theta = metadata.find_f32(key("freq_base")).value_or(static_cast<float>(default_theta));
  // Multiplies cos and sin whatever the scaling, as in llama.cpp.
  rope.keys.attention_factor = GgufMetadata::shown(key("scaling.attn_factor"));
  rope.attention_factor = metadata.find_f32(key("scaling.attn_factor")).value_or(1.0f);
  const auto factor = metadata.find_f32(key("scaling.factor"));
  const auto old_linear = metadata.find_f32(key("scale_linear"));
  const std::string type = metadata.find_string(key("scaling.type")).value_or(factor || old_linear ? "linear" : "none");
  if (type == "none") return rope;
  rope.keys.factor = GgufMetadata::shown(key(old_linear && !factor ? "scale_linear" : "scaling.factor"));
  rope.factor = factor ? *factor : old_linear.value_or(1.0f);
  if (type == "linear") {
    rope.scaling = RopeScaling::kLinear;
  } else if (type == "yarn") {
    rope.scaling = RopeScaling::kYarn;
    const auto original = metadata.find_u32(key("scaling.original_context_length"));
    rope.keys.original_context = GgufMetadata::shown(key("scaling.original_context_length"));
    rope.original_context = original ? *original : metadata.get_u32(fmt::format("{}.context_length", prefix));
    rope.keys.beta_fast = GgufMetadata::shown(key("scaling.yarn_beta_fast"));
    rope.keys.beta_slow = GgufMetadata::shown(key("scaling.yarn_beta_slow"));
    rope.beta_fast = metadata.find_f32(key("scaling.yarn_beta_fast")).value_or(32.0f);
    rope.beta_slow = metadata.find_f32(key("scaling.yarn_beta_slow")).value_or(1.0f);
    const double magnitude = metadata.find_f32(key("scaling.yarn_attn_factor")).value_or(1.0f);
    rope.attention_factor *= magnitude * yarn_magnitude(rope.factor, 1.0);
    // How much of the long wavelengths' stretching is mixed in; below 0 means what yarn means.
    const auto mix = metadata.find_f32(key("scaling.yarn_ext_factor"));
    if (mix && !(*mix < 0 || *mix == 1)) {
      metadata.refuse(key("scaling.yarn_ext_factor"), fmt::format("is {}; only 1 is computed", *mix));
    }
  } else {
    metadata.refuse(key("scaling.type"), fmt::format("is '{}'; known are none, linear and yarn", escaped(type)));
  }
  return rope;
}

RopeConfig read_hugging_face_rope(const JsonFields& config, double default_theta, double context_length,
                                  std::string_view part) {
  constexpr std::string_view kBase = "rope_theta";
  // Where a file has both, transformers 5 takes the older one.
  auto fields = config.find_object("rope_scaling");
  if (!fields) {
    fields = config.find_object("rope_parameters");
    if (auto nested = fields && !part.empty() ? fields->find_object(part) : std::nullopt) fields = std::move(nested);
  }
  RopeConfig rope;
  const auto inner = fields ? fields->find_number(kBase) : std::nullopt;
  rope.keys.base = inner ? fields->shown(kBase) : config.shown(kBase);
  rope.theta = inner ? *inner : config.number_or(kBase, default_theta);
  if (fields) read_scaling(*fields, context_length, rope);
  return rope;
}

void check_rope(const RopeConfig& rope, std::uint32_t rotary_dims, const std::string& file) {
  const bool original = rope.scaling == RopeScaling::kLlama3 || rope.scaling == RopeScaling::kYarn;
  const bool yarn = rope.scaling == RopeScaling::kYarn;
  struct Field {
    const std::string& name;
    double value, above;
  };
  const RopeKeys& keys = rope.keys;
  const Field fields[] = {
      {keys.base, rope.theta, yarn ? 1.0 : 0.0},  // yarn divides by its logarithm
      {keys.factor, rope.factor, 0},
      {keys.original_context, original ? rope.original_context : 1.0, 0},
      {keys.low_frequency_factor, rope.low_frequency_factor, 0},
      {keys.high_frequency_factor, rope.high_frequency_factor, rope.low_frequency_factor},
      {keys.beta_slow, rope.beta_slow, 0},
      {keys.beta_fast, rope.beta_fast, rope.beta_slow},
      {keys.attention_factor, rope.attention_factor, 0},
  };
  for (const Field& field : fields) {
    if (field.value > field.above && std::isfinite(field.value)) continue;
    bad_file(file, "{} is {}, expected a number above {}", field.name, field.value, field.above);
  }
  if (!rope.frequency_divisors.empty() && rope.frequency_divisors.size() != rotary_dims / 2) {
    bad_file(file, "tensor 'rope_freqs.weight' has {} values, expected {}", rope.frequency_divisors.size(),
             rotary_dims / 2);
  }
  for (const float divisor : rope.frequency_divisors) {
    if (!(divisor > 0) || !std::isfinite(divisor)) {
      bad_file(file, "tensor 'rope_freqs.weight' holds {}, expected positive numbers", divisor);
    }
  }
}

}  // namespace regroup
