// A whole model forward and backward on the device: final states give the logits of the ordinary runtime, gradients of
// attention weights match differences of a double-precision model on the host.
#include "converter/training/model_pass.h"

#include <cmath>
#include <random>

#include "converter/attention_layer_io.h"
#include "converter/host_attention.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/architecture.h"
#include "runtime/model/rope_table.h"
#include "tests/decode/loaded_model.h"

namespace regroup::test {
namespace {

using Matrix = Eigen::MatrixXd;

// The model in double precision, straight from its equations.
class HostModel {
 public:
  HostModel(const TensorTable& table, const ModelConfig& config, std::uint32_t length) : config_(config) {
    for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
      attention.push_back(read_attention_layer(table, config, l));
      gate_.push_back(read_matrix(table.get(TensorRole::kGate, l)).cast<double>());
      up_.push_back(read_matrix(table.get(TensorRole::kUp, l)).cast<double>());
      down_.push_back(read_matrix(table.get(TensorRole::kDown, l)).cast<double>());
      attention_norm_.push_back(read_vector(&table.get(TensorRole::kAttentionNorm, l)).cast<double>());
      feed_forward_norm_.push_back(read_vector(&table.get(TensorRole::kFeedForwardNorm, l)).cast<double>());
    }
    final_norm_ = read_vector(&table.get(TensorRole::kFinalNorm)).cast<double>();
    rope_ = make_rope_table(config.rope, config.rotary_dims, length);
  }

  Matrix states(Matrix x) const {
    for (std::size_t l = 0; l < attention.size(); ++l) {
      x += attend_on_host(attention[l], normed(x, attention_norm_[l]), rope_, config_.layers[l].window).output;
      const Matrix y = normed(x, feed_forward_norm_[l]);
      const Matrix gate = y * gate_[l].transpose(), up = y * up_[l].transpose();
      const Matrix hidden = gate.array() / (1 + (-gate.array()).exp()) * up.array();
      x += hidden * down_[l].transpose();
    }
    return normed(x, final_norm_);
  }

  std::vector<AttentionLayer> attention;

 private:
  Matrix normed(const Matrix& x, const Eigen::VectorXd& gain) const {
    Matrix out = x;
    for (Eigen::Index t = 0; t < x.rows(); ++t) {
      const double mean = x.row(t).squaredNorm() / static_cast<double>(x.cols());
      out.row(t) = x.row(t).cwiseProduct(gain.transpose()) / std::sqrt(mean + config_.norm_epsilon);
    }
    return out;
  }

  const ModelConfig& config_;
  std::vector<Matrix> gate_, up_, down_;
  std::vector<Eigen::VectorXd> attention_norm_, feed_forward_norm_;
  Eigen::VectorXd final_norm_;
  std::vector<float> rope_;
};

// One of a layer's matrices, with its bias as a last column where it has one.
struct Place {
  const char* name;
  WeightRows AttentionLayer::*matrix;
  Eigen::VectorXf AttentionLayer::*bias;
  DeviceWeights DeviceAttention::*on_device;
};
constexpr Place kPlaces[] = {
    {"query", &AttentionLayer::query, &AttentionLayer::query_bias, &DeviceAttention::query},
    {"key", &AttentionLayer::key, &AttentionLayer::key_bias, &DeviceAttention::key},
    {"value", &AttentionLayer::value, &AttentionLayer::value_bias, &DeviceAttention::value},
    {"output", &AttentionLayer::output, nullptr, &DeviceAttention::output},
};

class ModelPassDeviceTest : public DeviceTest {
 protected:
  static constexpr std::uint32_t kSequences = 2, kLength = 9;

  void check(const std::string& name) {
    SCOPED_TRACE(name);
    const KernelProfile profile = kernel_profile(device());
    LoadedModel loaded = load_model(device(), profile, source_path("tests/data/checkpoints/" + name));
    const ModelOutline outline = read_outline(loaded.file);
    const ModelConfig& config = outline.config;
    const TensorTable table(loaded.file, outline.architecture->tensor_names(), config.layer_count());
    ASSERT_FALSE(FrozenModel::refusal(table, config));
    const FrozenModel frozen(device(), profile, table, config, kLength);
    std::vector<std::uint32_t> kv_heads;
    for (const LayerConfig& layer : config.layers) kv_heads.push_back(layer.kv_heads);
    ModelPass pass(frozen, kv_heads, kSequences, kLength);
    HostModel host(table, config, kLength);

    // Embedded tokens, rows as far apart as the pass has them.
    std::vector<std::vector<std::uint32_t>> tokens(kSequences);
    const WeightRows embedding = read_matrix(table.get(TensorRole::kEmbedding));
    WeightRows rows = WeightRows::Zero(kSequences * kLength, pass.states.stride);
    std::vector<Matrix> inputs;
    for (std::uint32_t s = 0; s < kSequences; ++s) {
      Matrix x(kLength, config.hidden);
      for (std::uint32_t t = 0; t < kLength; ++t) {
        tokens[s].push_back((7 * t * t + 3 * s + 1) % config.vocabulary);
        x.row(t) = embedding.row(tokens[s][t]).cast<double>();
      }
      inputs.push_back(x);
      rows.block(s * kLength, 0, kLength, config.hidden) = x.cast<float>();
    }
    Arena arena(device(), MemoryUse::kDevice, "test");
    const auto uploaded = [&](const WeightRows& values) {
      const Activations out{arena.buffer(4 * static_cast<std::uint64_t>(values.size()), "rows"), 0,
                            static_cast<std::uint32_t>(values.cols())};
      upload_weights(device(), values, {out.buffer, static_cast<std::uint32_t>(values.rows()), out.stride});
      return out;
    };
    const Activations embedded = uploaded(rows);
    std::vector<DeviceAttention> attention, gradients;
    std::vector<const DeviceAttention*> wanted;
    for (const AttentionLayer& layer : host.attention) {
      attention.push_back(allocate_attention(arena, layer, frozen.input_columns()));
      gradients.push_back(allocate_attention(arena, layer, frozen.input_columns()));
      upload_attention(device(), layer, attention.back());
    }
    for (const DeviceAttention& gradient : gradients) wanted.push_back(&gradient);
    CommandList list(device());
    pass.forward(list, attention, embedded, kSequences);
    list.run();

    // Logits of the ordinary runtime.
    const WeightRows states =
        download_weights(device(), {pass.states.buffer, kSequences * kLength, pass.states.stride});
    const WeightRows output = download_weights(device(), frozen.output());
    for (std::uint32_t s = 0; s < kSequences; ++s) {
      Session session(*loaded.model, *loaded.grouping, {.context = 32, .cache_type = CacheType::kF32});
      const std::vector<float> expected = logits_of(session, tokens[s]);
      const WeightRows found =
          states.block(s * kLength, 0, kLength, config.hidden) * output.leftCols(config.hidden).transpose();
      const Eigen::Map<const WeightRows> map(expected.data(), kLength, config.vocabulary);
      EXPECT_LE((found - map).cwiseAbs().maxCoeff(), 2e-5 * map.cwiseAbs().maxCoeff());
    }

    // The loss is a fixed cotangent times the states.
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    WeightRows cotangent = WeightRows::Zero(kSequences * kLength, pass.states.stride);
    cotangent.leftCols(config.hidden) =
        WeightRows::NullaryExpr(kSequences * kLength, config.hidden, [&] { return normal(random); });
    const auto loss = [&] {
      double sum = 0;
      for (std::uint32_t s = 0; s < kSequences; ++s) {
        sum += host.states(inputs[s])
                   .cwiseProduct(cotangent.block(s * kLength, 0, kLength, config.hidden).cast<double>())
                   .sum();
      }
      return sum;
    };
    list.reset();
    pass.backward(list, attention, uploaded(cotangent), wanted, kSequences);
    list.run();
    for (std::size_t l = 0; l < host.attention.size(); ++l) {
      for (const Place& place : kPlaces) check_slopes(host.attention[l], place, gradients[l], loss, l);
    }

    // Layers below the lowest trained one cost nothing and change nothing above.
    const WeightRows before = download_weights(device(), gradients.back().query);
    wanted.front() = nullptr;
    list.reset();
    pass.forward(list, attention, embedded, kSequences);
    pass.backward(list, attention, uploaded(cotangent), wanted, kSequences);
    list.run();
    EXPECT_TRUE(download_weights(device(), gradients.back().query) == before);
  }

  template <typename Loss>
  void check_slopes(AttentionLayer& layer, const Place& place, const DeviceAttention& gradient, const Loss& loss,
                    std::size_t l) {
    std::mt19937 random(17);
    std::normal_distribution<float> normal;
    WeightRows& weights = layer.*place.matrix;
    Eigen::VectorXf none;
    Eigen::VectorXf& bias = place.bias != nullptr ? layer.*place.bias : none;
    const WeightRows slopes = download_weights(device(), gradient.*place.on_device);
    const WeightRows start = weights;
    const Eigen::VectorXf start_bias = bias;
    for (int trial = 0; trial < 3; ++trial) {
      WeightRows direction = WeightRows::NullaryExpr(start.rows(), start.cols(), [&] { return normal(random); });
      Eigen::VectorXf bias_direction = Eigen::VectorXf::NullaryExpr(start_bias.size(), [&] { return normal(random); });
      direction *= 0.003f * start.norm() / direction.norm();
      if (bias.size() > 0) bias_direction *= 0.003f * start_bias.norm() / bias_direction.norm();
      // Weights are floats: what a step really moves is what counts.
      const auto measure = [&](float step, double& told) {
        weights = start + step * direction;
        bias = start_bias + step * bias_direction;
        const WeightRows above = weights;
        const Eigen::VectorXf bias_above = bias;
        const double high = loss();
        weights = start - step * direction;
        bias = start_bias - step * bias_direction;
        const double low = loss();
        told = (above - weights).cast<double>().cwiseProduct(slopes.leftCols(start.cols()).cast<double>()).sum();
        if (bias.size() > 0) {
          told += (bias_above - bias).cast<double>().dot(slopes.col(start.cols()).cast<double>());
        }
        return high - low;
      };
      double told_full = 0, told_half = 0;
      const double full = measure(1, told_full), half = measure(0.5f, told_half);
      // Richardson's extrapolation: the differences' error is of the fourth order.
      const double measured = (8 * half - full) / 3, told = (8 * told_half - told_full) / 3;
      EXPECT_NEAR(told, measured, 3e-4 * std::abs(measured) + 3e-5 * double{slopes.norm()} * double{direction.norm()})
          << "layer " << l << " " << place.name << " trial " << trial;
    }
    weights = start;
    bias = start_bias;
  }
};

TEST_F(ModelPassDeviceTest, StatesAndGradientsOfALlama) {
  check("llama-mha-4-4");
}

TEST_F(ModelPassDeviceTest, StatesAndGradientsWithBiases) {
  check("qwen2-mha-tied");
}

TEST_F(ModelPassDeviceTest, StatesAndGradientsWithAWindow) {
  check("mistral-window");
}

TEST_F(ModelPassDeviceTest, ModelsWithOtherNormsAreRefused) {
  const ModelFile file = ModelFile::open(source_path("tests/data/checkpoints/gemma3-pattern-6"));
  const ModelOutline outline = read_outline(file);
  const TensorTable table(file, outline.architecture->tensor_names(), outline.config.layer_count());
  EXPECT_TRUE(FrozenModel::refusal(table, outline.config));
}

}  // namespace
}  // namespace regroup::test
