// config.json of Hugging Face directories: what transformers would refuse, would compute something else from or would
// divide by zero with is refused here too, before anything is loaded, naming the field.
#include <gtest/gtest.h>

#include <fstream>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/file/model_file.h"
#include "runtime/model/model.h"
#include "tests/model/tiny_model.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Refused {
  const char* base;   // of tests/data/checkpoints
  const char* patch;  // RFC 7396: null removes a field
  const char* says;
};

// Both styles of rotary settings: transformers 4 writes rope_theta and rope_scaling.
constexpr Refused kRefused[] = {
    {"llama-gqa-9-3", R"({"model_type": null})", "'model_type' names no architecture"},
    {"llama-gqa-9-3", R"({"model_type": "mamba"})", "'model_type' is 'mamba', an architecture that is not supported"},
    {"llama-gqa-9-3", R"({"num_hidden_layers": 2})", "model.layers.1"},
    {"llama-gqa-9-3", R"({"rms_norm_eps": -1e-5})",
     "config.json: 'rms_norm_eps' is -1e-05, expected at least 0 and less"},
    {"llama-gqa-9-3", R"({"vocab_size": 524289})", "'vocab_size' is 524289, expected 1 to 524288"},
    {"llama-gqa-9-3", R"({"rms_norm_eps": 1e308})", "'rms_norm_eps' is 1e+308, expected a finite 32-bit float"},
    {"llama-gqa-9-3", R"({"hidden_act": "gelu"})", "'hidden_act' is 'gelu'"},
    {"llama-gqa-9-3", R"({"hidden_size": 0})", "'hidden_size' is 0"},
    {"llama-gqa-9-3", R"({"intermediate_size": 0})", "'intermediate_size' is 0"},
    {"llama-gqa-9-3", R"({"num_key_value_heads": 2})", "'num_key_value_heads' is 2 in layer 0, expected a divisor of"},
    {"llama-gqa-9-3", R"({"num_key_value_heads_per_layer": [3, 3, 2]})", "'num_key_value_heads_per_layer' "},
    {"llama-gqa-9-3", R"({"head_dim": null})", "'hidden_size' over 'num_attention_heads' is 2"},
    {"llama-gqa-9-3", R"({"head_dim": 36})", "'head_dim' is 36, expected a multiple of 8"},
    {"llama-gqa-9-3", R"({"head_dim": 4})", "'head_dim' is 4, expected 8 to 256"},
    {"llama-gqa-9-3", R"({"partial_rotary_factor": 0})", "'partial_rotary_factor' of 'head_dim' is 0"},
    {"llama-gqa-9-3", R"({"attention_bias": true})", "'attention_bias' is true, but tensor"},
    {"llama-gqa-9-3", R"({"mlp_bias": true})", "'mlp_bias' is true, but tensor"},
    {"llama-gqa-9-3", R"({"mlp_bias": "yes"})", "'mlp_bias' is not true or false"},
    {"llama-biased", R"({"attention_bias": false})", "'attention_bias' is not true, but tensor"},
    {"llama-biased", R"({"mlp_bias": null})", "'mlp_bias' is not true, but tensor"},
    {"llama-biased", R"({"model_type": "mistral"})", "'attention_bias' is not true, but tensor"},
    {"llama-gqa-9-3", R"({"tie_word_embeddings": false})", "'lm_head.weight' is missing"},
    {"llama-gqa-9-3", R"({"tie_word_embeddings": "yes"})", "'tie_word_embeddings' is not true or false"},
    {"llama-gqa-9-3", R"({"quantization_config": {"quant_method": "gptq", "bits": 4}})",
     "'quantization_config' is set ('gptq')"},
    {"llama-gqa-9-3", R"({"quantization_config": 4})", "'quantization_config' is not an object"},
    {"llama-gqa-9-3", R"({"rope_parameters": {"rope_type": "default", "rope_theta": 0}})",
     "rope_parameters 'rope_theta' is 0, expected a number above 0"},
    {"llama-gqa-9-3", R"({"rope_parameters": [1]})", "'rope_parameters' is not an object"},
    {"llama-gqa-9-3", R"({"rope_scaling": "linear"})", "'rope_scaling' is not an object"},
    {"llama-gqa-9-3", R"({"rope_scaling": {"type": "linear"}})", "'factor' is missing"},
    {"llama-gqa-9-3", R"({"rope_scaling": {"type": "linear", "factor": 0}})",
     "config.json: rope_scaling 'factor' is 0"},
    {"llama-gqa-9-3", R"({"rope_scaling": {"type": "linear", "factor": "2"}})", "'factor' is not a finite number"},
    {"llama-gqa-9-3", R"({"rope_scaling": {"rope_type": "dynamic", "factor": 2}})", "'dynamic'"},
    {"llama-gqa-9-3", R"({"rope_scaling": {"rope_type": "longrope"}})", "'longrope'"},
    {"llama-llama3", R"({"rope_scaling": {"low_freq_factor": null}})", "'low_freq_factor' is missing"},
    {"llama-llama3", R"({"rope_scaling": {"high_freq_factor": null}})", "'high_freq_factor' is missing"},
    {"llama-llama3", R"({"rope_scaling": {"original_max_position_embeddings": null}})",
     "'original_max_position_embeddings' is missing"},
    {"llama-llama3", R"({"rope_scaling": {"original_max_position_embeddings": 0}})",
     "rope_scaling 'original_max_position_embeddings' is 0"},
    {"llama-llama3", R"({"rope_scaling": {"low_freq_factor": 0}})", "rope_scaling 'low_freq_factor' is 0"},
    {"llama-llama3", R"({"rope_scaling": {"low_freq_factor": 4, "high_freq_factor": 1}})",
     "rope_scaling 'high_freq_factor' is 1"},
    {"llama-yarn", R"({"rope_scaling": {"factor": -4}})", "rope_scaling 'factor' is -4"},
    {"llama-yarn", R"({"rope_scaling": {"beta_fast": 0, "beta_slow": 0}})", "rope_scaling 'beta_slow' is 0"},
    {"llama-yarn", R"({"rope_scaling": {"beta_fast": 1, "beta_slow": 32}})", "rope_scaling 'beta_fast' is 1"},
    {"llama-yarn", R"({"rope_scaling": {"attention_factor": -1}})", "rope_scaling 'attention_factor' is -1"},
    {"llama-yarn", R"({"rope_scaling": {"original_max_position_embeddings": 0}})",
     "rope_scaling 'original_max_position_embeddings' is 0"},
    {"llama-yarn", R"({"rope_theta": 1})", "'rope_theta' is 1, expected a number above 1"},
    {"mistral-window", R"({"sliding_window": -1})", "'sliding_window'"},
    {"qwen2-mha-tied", R"({"layer_types": ["full_attention"]})", "'layer_types' does not name every layer"},
    {"qwen2-mha-tied", R"({"layer_types": ["full_attention", "bogus"]})", "'layer_types' names an unknown type"},
    {"qwen2-mha-tied", R"({"layer_types": "full_attention"})", "'layer_types' is not a list"},
    {"qwen2-window", R"({"use_sliding_window": "true"})", "'use_sliding_window'"},
    {"gemma3-layer-types", R"({"final_logit_softcapping": -1})", "'final_logit_softcapping' is -1"},
    {"gemma3-pattern-6", R"({"use_bidirectional_attention": true})", "'use_bidirectional_attention' is true"},
    {"gemma3-pattern-6", R"({"sliding_window_pattern": 0})", "'sliding_window_pattern' is 0"},
    {"gemma3-pattern-6", R"({"rope_local_base_freq": 0})", "'rope_local_base_freq' is 0"},
    {"gemma3-layer-types", R"({"rope_parameters": {"sliding_attention": {"rope_theta": -1}}})",
     "rope_parameters sliding_attention 'rope_theta' is -1"},
    {"gemma3-layer-types", R"({"attention_bias": true})", "'attention_bias' is true"},
};

class RefusedConfigs : public ::testing::Test {
 protected:
  // A directory with the weights of `base` and its patched config.json.
  fs::path patched(const std::string& base, const std::string& patch) {
    const fs::path from = fs::path(REGROUP_SOURCE_DIR "/tests/data/checkpoints") / base;
    std::ifstream in(from / "config.json");
    Json config = Json::parse(in);
    config.merge_patch(Json::parse(patch));
    folder_.write("config.json", config.dump());
    fs::copy_file(from / "model.safetensors", folder_.path() / "model.safetensors",
                  fs::copy_options::overwrite_existing);
    return folder_.path();
  }
  TemporaryFolder folder_;
};

TEST_F(RefusedConfigs, EveryFieldIsNamed) {
  for (const auto& [base, patch, says] : kRefused) {
    SCOPED_TRACE(std::string(base) + " " + patch);
    EXPECT_NO_THROW(read_outline(ModelFile::open(patched(base, "{}"))));
    try {
      read_outline(ModelFile::open(patched(base, patch)));
      ADD_FAILURE() << "accepted; expected a refusal saying " << says;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel);
      EXPECT_NE(std::string_view(error.what()).find(says), std::string_view::npos) << error.what();
    }
  }
}

// transformers takes null for no value of these, not for its default, and fails.
TEST_F(RefusedConfigs, NullIsNoDefault) {
  const std::pair<const char*, std::vector<std::string>> fields[] = {
      {"llama-bf16", {"hidden_act", "rms_norm_eps", "rope_theta", "max_position_embeddings"}},
      {"qwen2-gqa-6-2", {"hidden_act"}},
      {"gemma3-pattern-6",
       {"hidden_activation", "query_pre_attn_scalar", "rope_local_base_freq", "sliding_window_pattern"}},
  };
  for (const auto& [base, keys] : fields) {
    for (const std::string& key : keys) {
      const fs::path directory = patched(base, "{}");
      std::ifstream in(directory / "config.json");
      Json config = Json::parse(in);
      config[key] = nullptr;
      folder_.write("config.json", config.dump());
      try {
        read_outline(ModelFile::open(directory));
        ADD_FAILURE() << key << " may be null";
      } catch (const Error& error) {
        EXPECT_NE(std::string_view(error.what()).find("config.json: '" + key + "' is null"), std::string_view::npos)
            << error.what();
      }
    }
  }
}

TEST_F(RefusedConfigs, UnusualOnesAreRead) {
  const auto theta = [&](const char* base, const char* patch) {
    return read_outline(ModelFile::open(patched(base, patch))).config.rope.theta;
  };
  EXPECT_EQ(theta("llama-gqa-9-3", R"({"attention_bias": null, "mlp_bias": null, "rms_norm_eps": 0})"), 10000.0);
  EXPECT_EQ(theta("qwen2-gqa-6-2", R"({"attention_bias": true})"), 10000.0) << "it always has them";
  EXPECT_EQ(theta("llama-gqa-9-3", R"({"rope_parameters": null, "rope_theta": 500})"), 500.0);
  // transformers 5 lets the older field win.
  EXPECT_EQ(theta("llama-gqa-9-3", R"({"rope_scaling": {"type": "linear", "factor": 2}, "rope_theta": 700})"), 700.0);
  EXPECT_EQ(theta("llama-gqa-9-3", R"({"rope_scaling": {"type": "default", "rope_theta": 800}})"), 800.0);
  EXPECT_EQ(theta("llama-gqa-9-3", R"({"rope_scaling": {"type": "default"}, "pretraining_tp": 2})"), 10000.0);
}

// Hugging Face's tensors have the dimensions that they are used with; GGUF cannot tell [n] from [1, n].
TEST_F(RefusedConfigs, VectorsHaveOneDimension) {
  const fs::path path = patched("llama-gqa-9-3", "{}") / "model.safetensors";
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  Json header = Json::parse(bytes.substr(8, header_bytes));
  header["model.norm.weight"]["shape"] = {1, 18};
  const std::string text = header.dump();
  const auto size = static_cast<std::uint64_t>(text.size());
  folder_.write("model.safetensors",
                std::string(reinterpret_cast<const char*>(&size), sizeof size) + text + bytes.substr(8 + header_bytes));
  try {
    read_outline(ModelFile::open(folder_.path()));
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find("'model.norm.weight' has shape [1, 18], expected [18]"),
              std::string_view::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace regroup::test
