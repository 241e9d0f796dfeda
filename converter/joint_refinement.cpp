#include "converter/joint_refinement.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "converter/attention_layer_io.h"
#include "converter/choose_merge.h"
#include "converter/training/model_pass.h"
#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/architecture.h"
#include "runtime/ops/adam.h"
#include "runtime/ops/compare_logits.h"
#include "runtime/ops/divergence_backward.h"
#include "runtime/ops/embedding.h"

namespace regroup {
namespace {

// Work that takes some minutes of two CPU cores, and what it is divided into.
constexpr double kWorkFlops = 7e12;
constexpr std::uint32_t kSequencesPerStep = 4, kLeastSteps = 100, kMostSteps = 600;
constexpr std::uint32_t kMostPasses = 3;  // over the text: more over-fit
constexpr int kWarmUpSteps = 10, kJudgements = 4;
// Of the root mean square of a matrix, falling to 0.
constexpr double kRate = 0.015;
constexpr float kSecondMoment = 0.95f;
// The model twice as f32, and Adam's moments, stay small beside what a process takes anyway.
constexpr std::uint64_t kMostBytes = std::uint64_t{96} << 20;
// Rows of logits that are held at once.
constexpr std::uint64_t kLogitBytes = std::uint64_t{16} << 20;

// Floating-point operations per token: the original forward, the merged model forward and backward.
double flops_per_token(const ModelConfig& config, const std::vector<std::uint32_t>& groups, std::uint32_t length) {
  const double d = config.hidden, heads = double{1} * config.query_heads * config.head_dim;
  double fixed = d * config.vocabulary, before = 0, after = 0, squares = 0;
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    fixed += 3 * d * config.feed_forward;
    before += 2 * d * (heads + double{1} * config.layers[l].kv_heads * config.head_dim);
    after += 2 * d * (heads + double{1} * groups[l] * config.head_dim);
    squares += 9 * heads * length;
  }
  return 2 * (fixed + before) + 4 * (fixed + after) + 2 * after + squares;
}

std::uint32_t steps_for(const ModelConfig& config, const std::vector<std::uint32_t>& groups, std::uint32_t length) {
  const double step = flops_per_token(config, groups, length) * kSequencesPerStep * length;
  return static_cast<std::uint32_t>(std::min(kWorkFlops / step, double{kMostSteps}));
}

class Refinement {
 public:
  Refinement(const JointRefinement& job, std::vector<MergedLayer>& layers)
      : job_(job),
        config_(job.outline.config),
        layers_(layers),
        table_(job.file, job.outline.architecture->tensor_names(), config_.layer_count()),
        length_(job.text.sequence_length),
        fitted_(job.text.sequences - job.text.held_out),
        arena_(job.device, MemoryUse::kDevice, "joint refinement"),
        frozen_(job.device, job.profile, table_, config_, length_),
        embedding_(Model::load(job.device, job.profile, job.file, {}, job.cancel,
                               {.layer_count = 0, .embedding = true, .output = false})),
        list_(job.device) {
    REGROUP_CHECK(layers.size() == config_.layer_count() && fitted_ > 0 && job.text.held_out > 0);
    std::vector<std::uint32_t> before, after;
    for (std::uint32_t l = 0; l < config_.layer_count(); ++l) {
      before.push_back(config_.layers[l].kv_heads);
      after.push_back(layers[l].is_merged() ? layers[l].attention.kv_heads : before.back());
      const AttentionLayer source = read_attention_layer(table_, config_, l);
      original_.push_back(uploaded(source));
      merged_.push_back(layers[l].is_merged() ? uploaded(layers[l].attention) : original_.back());
      if (layers[l].is_merged()) add_trained(l);
    }
    gradients_of_layers_.assign(config_.layer_count(), nullptr);
    for (const Trained& trained : trained_) gradients_of_layers_[trained.layer] = &trained.gradients;
    sequences_ = std::min({kSequencesPerStep, fitted_, job.text.held_out});
    teacher_.emplace(frozen_, before, sequences_, length_);
    student_.emplace(frozen_, after, sequences_, length_);
    allocate();
    steps_ = static_cast<int>(std::min(steps_for(config_, after, length_), kMostPasses * fitted_ / sequences_));
    random_.seed(job.seed);
  }

  JointOutcome run() {
    JointOutcome out;
    out.before = out.after = divergence();
    for (int step = 0; step < steps_; ++step) {
      if (cancelled(job_.cancel)) throw_error(ErrorCode::kInterrupted, "stopped while refining all layers together");
      descend(step);
      const bool judges = (step + 1) % std::max(1, steps_ / kJudgements) == 0 || step + 1 == steps_;
      if (judges) {
        const double now = divergence();
        if (now < out.after) {
          out.after = now;
          keep();
        }
      }
      if (job_.progress) job_.progress("refining all layers together", (step + 1.0) / steps_);
    }
    return out;
  }

 private:
  struct Matrix {
    DeviceWeights weights, gradient;
    BufferView first, second;
    double size;  // root mean square at the start
  };
  struct Trained {
    std::uint32_t layer;
    DeviceAttention gradients;
    std::vector<Matrix> matrices;
  };

  DeviceAttention uploaded(const AttentionLayer& layer) {
    const DeviceAttention out = allocate_attention(arena_, layer, frozen_.input_columns());
    upload_attention(job_.device, layer, out);
    return out;
  }

  void add_trained(std::uint32_t l) {
    Trained out{l, allocate_attention(arena_, layers_[l].attention, frozen_.input_columns()), {}};
    for (const auto member :
         {&DeviceAttention::query, &DeviceAttention::key, &DeviceAttention::value, &DeviceAttention::output}) {
      const DeviceWeights& weights = merged_[l].*member;
      const std::uint64_t bytes = std::uint64_t{4} * weights.rows * weights.columns;
      const WeightRows start = download_weights(job_.device, weights);
      out.matrices.push_back({weights, out.gradients.*member, arena_.buffer(bytes, "first moment"),
                              arena_.buffer(bytes, "second moment"),
                              std::sqrt(static_cast<double>(start.squaredNorm()) / static_cast<double>(start.size()))});
      list_.fill(out.matrices.back().first, 0);
      list_.fill(out.matrices.back().second, 0);
    }
    list_.run();
    list_.reset();
    trained_.push_back(std::move(out));
  }

  void allocate() {
    const std::uint32_t tokens = student_->tokens(), stride = student_->states.stride;
    const auto rows = [&](std::uint32_t count, std::uint32_t columns, std::string_view name) {
      return Activations{arena_.buffer(std::uint64_t{4} * count * columns, name), 0, columns};
    };
    const std::uint32_t columns = (config_.vocabulary + 3) / 4 * 4;
    rows_at_once_ =
        static_cast<std::uint32_t>(std::clamp<std::uint64_t>(kLogitBytes / (std::uint64_t{4} * columns), 1, tokens));
    tokens_ = arena_.buffer(std::uint64_t{4} * tokens, "tokens");
    embedded_ = rows(tokens, stride, "embedded tokens");
    state_gradient_ = rows(tokens, stride, "gradient of the states");
    wanted_ = rows(rows_at_once_, columns, "the original's logits");
    found_ = rows(rows_at_once_, columns, "logits");
    scores_ = arena_.buffer(sizeof(ComparedRow) * rows_at_once_, "scores");
  }

  // Records both models' passes over `count` sequences from `first` on.
  void record_forward(std::uint32_t first, std::uint32_t count) {
    const std::uint32_t tokens = count * length_;
    upload_values<std::uint32_t>(job_.device, *tokens_.buffer,
                                 std::span(job_.text.tokens).subspan(std::size_t{first} * length_, tokens));
    record(list_, job_.profile,
           Embedding{.table = embedding_->embedding(),
                     .tokens = tokens_,
                     .y = embedded_,
                     .token_count = tokens,
                     .scale = config_.embedding_scale});
    teacher_->forward(list_, original_, embedded_, count);
    student_->forward(list_, merged_, embedded_, count);
  }

  // Calls `use` for pieces of both models' logits, which it may record work on.
  template <typename Use>
  void for_each_piece(std::uint32_t tokens, const Use& use) {
    AttentionProducts products(list_, job_.profile);
    for (std::uint32_t first = 0; first < tokens; first += rows_at_once_) {
      const std::uint32_t rows = std::min(rows_at_once_, tokens - first);
      products.project(rows_from(teacher_->states, first), output_weights(), wanted_, rows);
      products.project(rows_from(student_->states, first), output_weights(), found_, rows);
      use(products, first, rows);
    }
  }

  const DeviceWeights& output_weights() const { return frozen_.output(); }

  void descend(int step) {
    const std::uint32_t tokens = sequences_ * length_;
    list_.reset();
    record_forward(next_sequence(), sequences_);
    for_each_piece(tokens, [&](AttentionProducts& products, std::uint32_t first, std::uint32_t rows) {
      record(list_, job_.profile,
             DivergenceBackward{.baseline = wanted_, .logits = found_, .columns = config_.vocabulary, .rows = rows});
      products.project_back(found_, output_weights(), rows_from(state_gradient_, first), rows,
                            1.0f / static_cast<float>(tokens));
    });
    student_->backward(list_, merged_, state_gradient_, gradients_of_layers_, sequences_);
    const double warm = std::min(1.0, (step + 1.0) / kWarmUpSteps);
    const double rate = kRate * warm * (1.0 - static_cast<double>(step) / steps_);
    for (const Trained& trained : trained_) {
      for (const Matrix& m : trained.matrices) {
        record(list_, job_.profile,
               Adam{.weights = m.weights.buffer,
                    .gradient = m.gradient.buffer,
                    .first = m.first,
                    .second = m.second,
                    .count = m.weights.rows * m.weights.columns,
                    .step = static_cast<std::uint32_t>(step) + 1,
                    .learning_rate = static_cast<float>(rate * m.size),
                    .beta2 = kSecondMoment,
                    .epsilon = 1e-12f});  // gradients may be small beside the customary 1e-8
      }
    }
    list_.run(job_.cancel);
  }

  // Of the sequences that only judge, per token.
  double divergence() {
    double sum = 0;
    for (std::uint32_t first = fitted_; first < job_.text.sequences; first += sequences_) {
      const std::uint32_t count = std::min(sequences_, job_.text.sequences - first);
      list_.reset();
      record_forward(first, count);
      for_each_piece(count * length_, [&](AttentionProducts&, std::uint32_t, std::uint32_t rows) {
        // The token itself for a target: only the divergence is looked at.
        record(list_, job_.profile,
               CompareLogits{.baseline = wanted_,
                             .logits = found_,
                             .targets = tokens_,
                             .scores = scores_,
                             .columns = config_.vocabulary,
                             .rows = rows});
        list_.run(job_.cancel);
        list_.reset();
        for (const ComparedRow& row : download_values<ComparedRow>(job_.device, *scores_.buffer, rows)) {
          sum += row.divergence;
        }
      });
    }
    return sum / (double{1} * job_.text.held_out * length_);
  }

  void keep() {
    for (const Trained& trained : trained_) {
      AttentionLayer& layer = layers_[trained.layer].attention;
      const DeviceAttention& weights = merged_[trained.layer];
      const auto take = [&](const DeviceWeights& from, WeightRows& to, Eigen::VectorXf& bias) {
        const WeightRows values = download_weights(job_.device, from);
        to = values.leftCols(to.cols());
        if (bias.size() > 0) bias = values.col(to.cols());
      };
      take(weights.query, layer.query, layer.query_bias);
      take(weights.key, layer.key, layer.key_bias);
      take(weights.value, layer.value, layer.value_bias);
      layer.output = download_weights(job_.device, weights.output);
    }
  }

  // Where the next step's sequences begin: every part of the text once, in random order, then again.
  std::uint32_t next_sequence() {
    if (order_.empty()) {
      for (std::uint32_t first = 0; first < fitted_; first += sequences_) {
        order_.push_back(std::min(first, fitted_ - sequences_));
      }
      for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random_() % i]);
    }
    const std::uint32_t first = order_.back();
    order_.pop_back();
    return first;
  }

  const JointRefinement& job_;
  const ModelConfig& config_;
  std::vector<MergedLayer>& layers_;
  TensorTable table_;
  std::uint32_t length_, fitted_, sequences_ = 0, rows_at_once_ = 0;
  int steps_ = 0;
  Arena arena_;
  FrozenModel frozen_;
  std::unique_ptr<Model> embedding_;
  CommandList list_;
  std::vector<DeviceAttention> original_, merged_;
  std::vector<Trained> trained_;
  std::vector<const DeviceAttention*> gradients_of_layers_;
  std::optional<ModelPass> teacher_, student_;
  BufferView tokens_, scores_;
  Activations embedded_, state_gradient_, wanted_, found_;
  std::mt19937_64 random_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

bool refines_jointly(const ModelFile& file, const ModelOutline& outline, const MergeSettings& settings) {
  if (settings.method != kAutoMethod || !merges_any_layer(outline, settings)) return false;
  const ModelConfig& config = outline.config;
  const TensorTable table(file, outline.architecture->tensor_names(), config.layer_count());
  return !FrozenModel::refusal(table, config) && FrozenModel::bytes(config) <= kMostBytes &&
         steps_for(config, settings.groups, CalibrationSize{}.sequence_length) >= kLeastSteps;
}

CalibrationSize joint_size(const ModelConfig& config, const MergeSettings& settings, CalibrationSize asked) {
  if (asked.tokens > 0) return asked;
  constexpr std::uint32_t kJudging = 8192;
  const std::uint32_t length = std::min(asked.sequence_length, config.context_length);
  asked.tokens = steps_for(config, settings.groups, length) * kSequencesPerStep * length + kJudging;
  asked.held_out_share = double{kJudging} / asked.tokens;
  return asked;
}

JointOutcome refine_jointly(const JointRefinement& job, std::vector<MergedLayer>& layers) {
  return Refinement(job, layers).run();
}

}  // namespace regroup
