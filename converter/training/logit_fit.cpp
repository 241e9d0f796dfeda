#include "converter/training/logit_fit.h"

#include <algorithm>

#include "converter/training/conjugate_gradients.h"
#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"

namespace regroup {
namespace {

// Mean over tokens of what a row of queries or keys contributes to the logits' curvature, per plane (both rows alike,
// since positions turn one into the other) and per dim that RoPE leaves. [heads * D]
Eigen::VectorXd row_energies(const WeightRows& rows, std::uint32_t length, std::uint32_t head_dim,
                             std::uint32_t rotary_dims, bool centred) {
  Eigen::VectorXd sums = Eigen::VectorXd::Zero(rows.cols());
  for (Eigen::Index first = 0; first < rows.rows(); first += length) {
    const Eigen::MatrixXd sequence = rows.middleRows(first, length).cast<double>();
    sums += sequence.colwise().squaredNorm().transpose();
    if (centred) sums -= sequence.colwise().mean().cwiseAbs2().transpose() * length;
  }
  sums /= static_cast<double>(rows.rows());
  for (Eigen::Index i = 0; i < sums.size(); i += 2) {
    if (i % head_dim >= rotary_dims) continue;
    sums(i) = sums(i + 1) = (sums(i) + sums(i + 1)) / 2;
  }
  return sums;
}

WeightRows downloaded(Device& device, const Activations& rows, std::uint32_t tokens) {
  return download_weights(device, {rows.buffer, tokens, rows.stride});
}

// Divides every row of weights by its energy; rows that hardly matter are not blown up.
std::function<void(WeightRows&)> divide_rows(Eigen::VectorXd energies) {
  constexpr double kFloor = 0.01;  // of the mean
  const double floor = kFloor * energies.mean() + 1e-30;
  const Eigen::VectorXf factors = (energies.array() + floor).inverse().matrix().cast<float>();
  return [factors](WeightRows& weights) { weights = factors.asDiagonal() * weights; };
}

}  // namespace

LogitFit::LogitFit(LayerCalibration& calibration, const WhitenedInputs& inputs, const AttentionLayer& teacher,
                   std::uint32_t kv_heads, std::vector<float> factors)
    : calibration_(calibration),
      inputs_(inputs),
      settings_(calibration.settings()),
      factors_(std::move(factors)),
      arena_(calibration.device(), MemoryUse::kDevice, "logit fit") {
  const std::uint32_t length = calibration.length(), tokens = calibration.least_squares_sequences() * length;
  const SequenceShape whole = calibration.batch_shape(kv_heads);
  const std::uint32_t source_heads = teacher.kv_heads, columns = inputs.columns();
  REGROUP_CHECK(factors_.size() == teacher.query_heads);
  for (std::uint32_t first = 0; first < calibration.least_squares_sequences(); first += whole.sequences) {
    Batch batch{first * length, whole, whole};
    batch.student.sequences = batch.teacher.sequences =
        std::min(whole.sequences, calibration.least_squares_sequences() - first);
    batch.teacher.kv_heads = source_heads;
    batches_.push_back(batch);
  }
  const auto rows = [&](std::uint32_t count, std::uint32_t width, std::string_view name) {
    return Activations{arena_.buffer(std::uint64_t{4} * count * width, name), 0, width};
  };
  const auto matrix = [&](std::uint32_t height, std::string_view name) {
    return DeviceWeights{arena_.buffer(std::uint64_t{4} * height * columns, name), height, columns};
  };
  const std::uint32_t query_width = whole.query_width(), key_width = whole.kv_width();
  teacher_queries_ = rows(tokens, query_width, "teacher's queries");
  teacher_keys_ = rows(tokens, source_heads * whole.head_dim, "teacher's keys");
  queries_ = rows(tokens, query_width, "queries");
  keys_ = rows(tokens, key_width, "keys");
  const std::uint32_t batch_tokens = std::min(tokens, whole.tokens());
  queries_scratch_ = rows(batch_tokens, query_width, "queries of a batch");
  keys_scratch_ = rows(batch_tokens, key_width, "keys of a batch");
  weights_ = arena_.buffer(4 * batches_.front().student.square_floats(), "attention weights");
  errors_ = arena_.buffer(4 * batches_.front().student.square_floats(), "logit errors");
  query_ = matrix(query_width, "query");
  key_ = matrix(key_width, "key");
  query_gradient_ = matrix(query_width, "gradient of query");
  key_gradient_ = matrix(key_width, "gradient of key");

  Device& device = calibration.device();
  Arena temporary(device, MemoryUse::kDevice, "teacher");
  const DeviceAttention on_device = allocate_attention(temporary, teacher, columns);
  upload_attention(device, teacher, on_device);
  CommandList list(device);
  AttentionProducts products(list, calibration.profile());
  SequenceShape all = whole;
  all.sequences = calibration.least_squares_sequences();
  products.project(calibration.teacher_inputs(), on_device.query, teacher_queries_, tokens);
  products.project(calibration.teacher_inputs(), on_device.key, teacher_keys_, tokens);
  products.rotate(all, teacher_queries_, all.query_heads, settings_.rope_table, settings_.rotary_dims);
  products.rotate(all, teacher_keys_, source_heads, settings_.rope_table, settings_.rotary_dims);
  // One batch's weights stay for good.
  if (batches_.size() == 1) teach_weights(products, batches_.front());
  list.run(calibration.cancel());
}

void LogitFit::teach_weights(AttentionProducts& products, const Batch& batch) {
  products.pair(batch.teacher, rows_from(teacher_queries_, batch.first_token),
                rows_from(teacher_keys_, batch.first_token), weights_, settings_.scale);
  products.softmax(batch.teacher, weights_, settings_.window);
}

void LogitFit::teach_logits(AttentionProducts& products, const Batch& batch) {
  products.pair(batch.teacher, rows_from(teacher_queries_, batch.first_token),
                rows_from(teacher_keys_, batch.first_token), errors_, -settings_.scale);
}

void LogitFit::project(const WeightRows& weights, const DeviceWeights& on_device, const Activations& rows,
                       std::uint32_t heads) {
  upload_weights(calibration_.device(), weights, on_device);
  SequenceShape all = batches_.front().student;
  all.sequences = calibration_.least_squares_sequences();
  CommandList list(calibration_.device());
  AttentionProducts products(list, calibration_.profile());
  products.project(inputs_.rows(), on_device, rows, all.tokens());
  products.rotate(all, rows, heads, settings_.rope_table, settings_.rotary_dims);
  list.run(calibration_.cancel());
}

void LogitFit::record_queries(CommandList& list, bool against_teacher) {
  AttentionProducts products(list, calibration_.profile());
  const float mean = 1.0f / static_cast<float>(calibration_.least_squares_sequences() * calibration_.length());
  for (const Batch& batch : batches_) {
    const SequenceShape& s = batch.student;
    const Activations x = rows_from(inputs_.rows(), batch.first_token), keys = rows_from(keys_, batch.first_token);
    if (batches_.size() > 1) teach_weights(products, batch);
    if (against_teacher) teach_logits(products, batch);
    products.project(x, query_, queries_scratch_, s.tokens());
    products.rotate(s, queries_scratch_, s.query_heads, settings_.rope_table, settings_.rotary_dims);
    products.pair(s, queries_scratch_, keys, errors_, settings_.scale, against_teacher ? 1.0f : 0.0f);
    products.softmax_backward(s, weights_, errors_);
    products.gather(s, errors_, keys, queries_scratch_, settings_.scale);
    products.rotate(s, queries_scratch_, s.query_heads, settings_.rope_table, settings_.rotary_dims, true);
    products.weight_gradient(queries_scratch_, x, query_gradient_, s.tokens(), mean,
                             &batch == &batches_[0] ? 0.0f : 1.0f);
  }
}

void LogitFit::record_keys(CommandList& list, bool against_teacher) {
  AttentionProducts products(list, calibration_.profile());
  const float mean = 1.0f / static_cast<float>(calibration_.least_squares_sequences() * calibration_.length());
  for (const Batch& batch : batches_) {
    const SequenceShape& s = batch.student;
    const Activations x = rows_from(inputs_.rows(), batch.first_token),
                      queries = rows_from(queries_, batch.first_token);
    if (batches_.size() > 1) teach_weights(products, batch);
    if (against_teacher) teach_logits(products, batch);
    products.project(x, key_, keys_scratch_, s.tokens());
    products.rotate(s, keys_scratch_, s.kv_heads, settings_.rope_table, settings_.rotary_dims);
    products.pair(s, queries, keys_scratch_, errors_, settings_.scale, against_teacher ? 1.0f : 0.0f);
    products.softmax_backward(s, weights_, errors_);
    products.scatter(s, errors_, queries, keys_scratch_, settings_.scale, factors_);
    products.rotate(s, keys_scratch_, s.kv_heads, settings_.rope_table, settings_.rotary_dims, true);
    products.weight_gradient(keys_scratch_, x, key_gradient_, s.tokens(), mean, &batch == &batches_[0] ? 0.0f : 1.0f);
  }
}

WeightRows LogitFit::queries(const StudentLayer& student, int iterations, double ridge) {
  Device& device = calibration_.device();
  const SequenceShape& s = batches_.front().student;
  const std::uint32_t tokens = calibration_.least_squares_sequences() * s.length;
  project(student.key, key_, keys_, s.kv_heads);
  const Eigen::VectorXd of_keys =
      row_energies(downloaded(device, keys_, tokens), s.length, s.head_dim, settings_.rotary_dims, true);
  Eigen::VectorXd energies(s.query_width());
  for (std::uint32_t h = 0; h < s.query_heads; ++h) {
    energies.segment(h * s.head_dim, s.head_dim) =
        of_keys.segment(h / s.queries_per_kv_head() * s.head_dim, s.head_dim);
  }
  energies *= double{settings_.scale} * settings_.scale;

  CommandList list(device);
  record_queries(list, true);
  upload_weights(device, student.query, query_);
  list.run(calibration_.cancel());
  LeastSquares problem{.descent = -download_weights(device, query_gradient_),
                       .precondition = divide_rows(energies),
                       .block_rows = s.head_dim,
                       .ridge = ridge,
                       .iterations = iterations};
  list.reset();
  record_queries(list, false);
  problem.curvature = [&](const WeightRows& direction) {
    upload_weights(device, direction, query_);
    list.run(calibration_.cancel());
    return download_weights(device, query_gradient_);
  };
  return student.query + solve(problem);
}

WeightRows LogitFit::keys(const StudentLayer& student, int iterations, double ridge) {
  Device& device = calibration_.device();
  const SequenceShape& s = batches_.front().student;
  const std::uint32_t tokens = calibration_.least_squares_sequences() * s.length;
  project(student.query, query_, queries_, s.query_heads);
  const Eigen::VectorXd of_queries =
      row_energies(downloaded(device, queries_, tokens), s.length, s.head_dim, settings_.rotary_dims, false);
  Eigen::VectorXd energies = Eigen::VectorXd::Zero(s.kv_width());
  for (std::uint32_t h = 0; h < s.query_heads; ++h) {
    energies.segment(h / s.queries_per_kv_head() * s.head_dim, s.head_dim) +=
        double{factors_[h]} * of_queries.segment(h * s.head_dim, s.head_dim);
  }
  energies *= double{settings_.scale} * settings_.scale;

  CommandList list(device);
  record_keys(list, true);
  upload_weights(device, student.key, key_);
  list.run(calibration_.cancel());
  LeastSquares problem{.descent = -download_weights(device, key_gradient_),
                       .precondition = divide_rows(energies),
                       .block_rows = s.head_dim,
                       .ridge = ridge,
                       .iterations = iterations};
  list.reset();
  record_keys(list, false);
  problem.curvature = [&](const WeightRows& direction) {
    upload_weights(device, direction, key_);
    list.run(calibration_.cancel());
    return download_weights(device, key_gradient_);
  };
  return student.key + solve(problem);
}

}  // namespace regroup
