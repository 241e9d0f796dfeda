// Writes one safetensors file, tensors streamed one after another. The file appears only when it is whole and has been
// read back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/file/atomic_file.h"
#include "runtime/file/tensor_plan.h"
#include "runtime/file/tensor_stream.h"

namespace regroup {

class SafetensorsWriter {
 public:
  // Formats: f32, f16, bf16 (else kUsage). `metadata` becomes __metadata__; transformers wants {"format": "pt"}.
  // Throws kUsage when the target exists and may not be overwritten, kFailed when it cannot be written.
  SafetensorsWriter(std::filesystem::path target, const std::map<std::string, std::string>& metadata,
                    std::vector<TensorPlan> tensors, Overwrite overwrite = Overwrite::kNo);

  // The next bytes of the tensor whose turn it is, in the order of the plan, in pieces of any size.
  void write(std::string_view tensor, std::span<const std::byte> bytes) { stream_->write(tensor, bytes); }

  // All tensors are written: flushes, reads the file back, and gives it its name. A writer that is destroyed before
  // leaves nothing.
  void finish();

  std::uint64_t file_bytes() const { return header_.size() + data_bytes_; }

 private:
  void verify() const;

  AtomicFile file_;
  std::vector<TensorPlan> tensors_;
  std::string header_;  // the length and the padded JSON
  std::uint64_t data_bytes_ = 0;
  std::optional<TensorStream> stream_;
};

}  // namespace regroup
