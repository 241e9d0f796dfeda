#include "converter/training/output_fit.h"

#include <Eigen/Cholesky>
#include <algorithm>

#include "converter/training/conjugate_gradients.h"
#include "runtime/core/error.h"

namespace regroup {

OutputFit::OutputFit(LayerCalibration& calibration, const WhitenedInputs& inputs, const StudentLayer& student,
                     std::uint32_t kv_heads)
    : calibration_(calibration),
      inputs_(inputs),
      settings_(calibration.settings()),
      arena_(calibration.device(), MemoryUse::kDevice, "output fit") {
  const std::uint32_t length = calibration.length(), tokens = calibration.least_squares_sequences() * length;
  const SequenceShape whole = calibration.batch_shape(kv_heads);
  for (std::uint32_t first = 0; first < calibration.least_squares_sequences(); first += whole.sequences) {
    Batch batch{first * length, whole};
    batch.shape.sequences = std::min(whole.sequences, calibration.least_squares_sequences() - first);
    batches_.push_back(batch);
  }
  const auto rows = [&](std::uint32_t count, std::uint32_t width, std::string_view name) {
    return Activations{arena_.buffer(std::uint64_t{4} * count * width, name), 0, width};
  };
  const auto matrix = [&](std::uint32_t height, std::uint32_t width, std::string_view name) {
    return DeviceWeights{arena_.buffer(std::uint64_t{4} * height * width, name), height, width};
  };
  const std::uint32_t query_width = whole.query_width(), kv_width = whole.kv_width();
  const std::uint32_t batch_tokens = batches_.front().shape.tokens();
  queries_ = rows(tokens, query_width, "queries");
  keys_ = rows(tokens, kv_width, "keys");
  values_ = rows(batch_tokens, kv_width, "values");
  heads_ = rows(batch_tokens, query_width, "heads");
  errors_ = rows(batch_tokens, query_width, "errors");
  weights_ = arena_.buffer(4 * batches_.front().shape.square_floats(), "attention weights");
  value_ = matrix(kv_width, inputs.columns(), "value");
  value_gradient_ = matrix(kv_width, inputs.columns(), "gradient of value");
  output_ = matrix(calibration.source().hidden, query_width, "output");
  output_gram_ = matrix(query_width, query_width, "gram");

  Device& device = calibration.device();
  Arena temporary(device, MemoryUse::kDevice, "student");
  const DeviceWeights query{temporary.buffer(4 * static_cast<std::uint64_t>(student.query.size()), "query"),
                            query_width, inputs.columns()};
  const DeviceWeights key{temporary.buffer(4 * static_cast<std::uint64_t>(student.key.size()), "key"), kv_width,
                          inputs.columns()};
  upload_weights(device, student.query, query);
  upload_weights(device, student.key, key);
  CommandList list(device);
  AttentionProducts products(list, calibration.profile());
  SequenceShape all = whole;
  all.sequences = calibration.least_squares_sequences();
  products.project(inputs.rows(), query, queries_, tokens);
  products.project(inputs.rows(), key, keys_, tokens);
  products.rotate(all, queries_, all.query_heads, settings_.rope_table, settings_.rotary_dims);
  products.rotate(all, keys_, all.kv_heads, settings_.rope_table, settings_.rotary_dims);
  // One batch's weights stay for good.
  if (batches_.size() == 1) attend(products, batches_.front());
  list.run(calibration.cancel());
}

void OutputFit::attend(AttentionProducts& products, const Batch& batch) {
  products.pair(batch.shape, rows_from(queries_, batch.first_token), rows_from(keys_, batch.first_token), weights_,
                settings_.scale);
  products.softmax(batch.shape, weights_, settings_.window);
}

WeightRows OutputFit::output(const StudentLayer& student, double ridge) {
  Device& device = calibration_.device();
  upload_weights(device, student.value, value_);
  CommandList list(device);
  AttentionProducts products(list, calibration_.profile());
  const float mean = 1.0f / static_cast<float>(calibration_.least_squares_sequences() * calibration_.length());
  for (const Batch& batch : batches_) {
    const SequenceShape& s = batch.shape;
    const float keep = &batch == &batches_[0] ? 0.0f : 1.0f;
    if (batches_.size() > 1) attend(products, batch);
    products.project(rows_from(inputs_.rows(), batch.first_token), value_, values_, s.tokens());
    products.gather(s, weights_, values_, heads_);
    products.weight_gradient(heads_, heads_, output_gram_, s.tokens(), mean, keep);
    products.weight_gradient(rows_from(calibration_.target(), batch.first_token), heads_, output_, s.tokens(), mean,
                             keep);
  }
  list.run(calibration_.cancel());
  Eigen::MatrixXd gram = download_weights(device, output_gram_).cast<double>();
  const double weight = ridge * gram.diagonal().mean() + 1e-30;
  gram.diagonal().array() += weight;
  const Eigen::MatrixXd moments =
      download_weights(device, output_).cast<double>() + weight * student.output.cast<double>();
  const Eigen::LLT<Eigen::MatrixXd> cholesky(gram);
  if (cholesky.info() != Eigen::Success) return student.output;
  return cholesky.solve(moments.transpose()).transpose().cast<float>();
}

void OutputFit::record_values(CommandList& list, bool against_target) {
  AttentionProducts products(list, calibration_.profile());
  const float mean = 1.0f / static_cast<float>(calibration_.least_squares_sequences() * calibration_.length());
  for (const Batch& batch : batches_) {
    const SequenceShape& s = batch.shape;
    const Activations x = rows_from(inputs_.rows(), batch.first_token);
    if (batches_.size() > 1) attend(products, batch);
    products.project(x, value_, values_, s.tokens());
    products.gather(s, weights_, values_, heads_);
    // The output's error seen from the heads: (W_o f - y) W_o = (W_o^T W_o) f - W_o^T y.
    products.project(heads_, output_gram_, errors_, s.tokens());
    if (against_target) {
      products.project_back(rows_from(calibration_.target(), batch.first_token), output_, errors_, s.tokens(), -1, 1);
    }
    products.scatter(s, weights_, errors_, values_);
    products.weight_gradient(values_, x, value_gradient_, s.tokens(), mean, &batch == &batches_[0] ? 0.0f : 1.0f);
  }
}

WeightRows OutputFit::values(const StudentLayer& student, int iterations, double ridge) {
  Device& device = calibration_.device();
  const SequenceShape& s = batches_.front().shape;
  const Eigen::MatrixXf gram = student.output.transpose() * student.output;
  upload_weights(device, gram, output_gram_);
  upload_weights(device, student.output, output_);

  // Per group: the sum of its heads' W_o^T W_o is the curvature if all attended alike.
  const Eigen::Index dim = s.head_dim;
  std::vector<Eigen::LLT<Eigen::MatrixXd>> curvatures;
  for (std::uint32_t g = 0; g < s.kv_heads; ++g) {
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(dim, dim);
    for (std::uint32_t i = 0; i < s.queries_per_kv_head(); ++i) {
      const Eigen::Index at = (g * s.queries_per_kv_head() + i) * dim;
      sum += gram.block(at, at, dim, dim).cast<double>();
    }
    constexpr double kFloor = 0.01;  // of the mean
    sum.diagonal().array() += kFloor * sum.diagonal().mean() + 1e-30;
    curvatures.emplace_back(sum);
  }
  LeastSquares problem{.precondition =
                           [&](WeightRows& weights) {
                             for (std::uint32_t g = 0; g < s.kv_heads; ++g) {
                               auto rows = weights.middleRows(g * dim, dim);
                               rows = curvatures[g].solve(rows.cast<double>()).cast<float>().eval();
                             }
                           },
                       .ridge = ridge,
                       .iterations = iterations};
  CommandList list(device);
  record_values(list, true);
  upload_weights(device, student.value, value_);
  list.run(calibration_.cancel());
  problem.descent = -download_weights(device, value_gradient_);
  list.reset();
  record_values(list, false);
  problem.curvature = [&](const WeightRows& direction) {
    upload_weights(device, direction, value_);
    list.run(calibration_.cancel());
    return download_weights(device, value_gradient_);
  };
  return student.value + solve(problem);
}

}  // namespace regroup
