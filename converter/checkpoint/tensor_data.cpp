#include "converter/checkpoint/tensor_data.h"

#include <algorithm>
#include <vector>

#include "converter/attention_layer_io.h"
#include "runtime/core/error.h"
#include "runtime/model/row_sources.h"

namespace regroup {
namespace {

// Large enough for the disk, small beside a layer.
constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

void check(const CancelFlag* cancel) {
  if (cancelled(cancel)) throw_error(ErrorCode::kInterrupted, "stopped while writing the checkpoint");
}

void copy_pieces(const FileTensor& source, const ModelFile& file, const PieceSink& sink, const CancelFlag* cancel) {
  for (std::size_t at = 0; at < source.bytes.size(); at += kPieceBytes) {
    check(cancel);
    const auto piece = source.bytes.subspan(at, std::min(kPieceBytes, source.bytes.size() - at));
    sink(piece);
    file.release_pages(piece);
  }
}

// Row of the source that becomes row `row`, where the RoPE order of each head changes.
std::uint64_t turned_row(const ModelConfig& config, RopeLayout to, std::uint64_t row) {
  const auto in_head = static_cast<std::uint32_t>(row % config.head_dim);
  const std::uint64_t head = row - in_head;
  if (to == RopeLayout::kInterleaved) return head + half_split_element(in_head, config.rotary_dims);
  const std::uint32_t half = config.rotary_dims / 2;
  return head + (in_head >= config.rotary_dims ? in_head : in_head % half * 2 + in_head / half);
}

void encode_pieces(std::span<const float> values, const TensorPlan& plan, const PieceSink& sink,
                   const CancelFlag* cancel) {
  const std::size_t columns = plan.shape.back();
  const std::size_t bytes = row_bytes(plan.format, columns);
  const std::size_t rows_at_once = std::max<std::size_t>(1, kPieceBytes / bytes);
  std::vector<std::byte> out;
  for (std::size_t at = 0; at < values.size(); at += rows_at_once * columns) {
    check(cancel);
    const auto part = values.subspan(at, std::min(rows_at_once * columns, values.size() - at));
    out.resize(part.size() / columns * bytes);
    encode_row(plan.format, part, out);  // whole rows are whole blocks
    sink(out);
  }
}

class RowReader {
 public:
  RowReader(const OutputTensor& tensor, const ModelConfig& config, RopeLayout to)
      : tensor_(tensor),
        config_(config),
        to_(to),
        columns_(tensor.source->columns()),
        bytes_(row_bytes(tensor.source->format, columns_)) {}

  std::span<const std::byte> bytes(std::uint64_t row) const {
    const bool turn = tensor_.turned && tensor_.source->shape.size() > 1;
    return tensor_.source->bytes.subspan((turn ? turned_row(config_, to_, row) : row) * bytes_, bytes_);
  }

  void values(std::uint64_t row, std::span<float> out) const {
    decode_row(tensor_.source->format, bytes(row), out);
    if (tensor_.turned && tensor_.source->shape.size() == 1) {  // a bias: its elements are rows
      const std::vector<float> before(out.begin(), out.end());
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = before[turned_row(config_, to_, i)];
    }
    if (tensor_.add == 0 && tensor_.scale == 1 && tensor_.subtract == 0) return;
    for (float& value : out) value = (value + tensor_.add) * tensor_.scale - tensor_.subtract;
  }

  std::size_t columns() const { return columns_; }
  std::size_t row_size() const { return bytes_; }

 private:
  const OutputTensor& tensor_;
  const ModelConfig& config_;
  RopeLayout to_;
  std::size_t columns_, bytes_;
};

}  // namespace

void for_each_piece(const OutputTensor& tensor, const ModelFile& file, const ModelConfig& config,
                    const FileConventions& conventions, const AttentionLayer* merged, const PieceSink& sink,
                    const CancelFlag* cancel) {
  if (tensor.merged) {
    REGROUP_CHECK(merged != nullptr);
    const TensorValues data = tensor_values(*merged, tensor.role, conventions.rows);
    encode_pieces(data.values, tensor.plan, sink, cancel);
    return;
  }
  if (tensor.source == nullptr) return encode_pieces(tensor.values, tensor.plan, sink, cancel);
  if (tensor.is_copy()) return copy_pieces(*tensor.source, file, sink, cancel);

  const RowReader reader(tensor, config, conventions.rows);
  const bool same_format = tensor.source->format == tensor.plan.format;
  const bool moves_bytes = same_format && tensor.source->shape.size() > 1;  // whole rows trade places
  const std::size_t target_bytes = row_bytes(tensor.plan.format, reader.columns());
  const std::uint64_t rows = tensor.source->rows();
  const std::uint64_t at_once = std::max<std::uint64_t>(1, kPieceBytes / std::max(target_bytes, reader.row_size()));
  std::vector<std::byte> out;
  std::vector<float> values(moves_bytes ? 0 : reader.columns());
  for (std::uint64_t first = 0; first < rows; first += at_once) {
    check(cancel);
    out.clear();
    for (std::uint64_t r = first; r < std::min(rows, first + at_once); ++r) {
      if (moves_bytes) {
        const auto bytes = reader.bytes(r);
        out.insert(out.end(), bytes.begin(), bytes.end());
      } else {
        reader.values(r, values);
        out.resize(out.size() + target_bytes);
        encode_row(tensor.plan.format, values, std::span(out).last(target_bytes));
      }
    }
    sink(out);
  }
  file.release_pages(tensor.source->bytes);
}

}  // namespace regroup
