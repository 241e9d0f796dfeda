// Writes a GGUF file (version 3): metadata in order, then tensors streamed one after another. The file appears only
// when it is whole and has been read back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/file/atomic_file.h"
#include "runtime/file/gguf_metadata.h"
#include "runtime/file/tensor_plan.h"
#include "runtime/file/tensor_stream.h"

namespace regroup {

class GgufWriter {
 public:
  // Data is aligned to general.alignment if the metadata has it, else to 32 bytes. Keys "split.*" are left out: this is
  // one file. Throws kUsage when the target exists and may not be overwritten, kFailed when it cannot be written.
  GgufWriter(std::filesystem::path target, const GgufMetadata& metadata, std::vector<TensorPlan> tensors,
             Overwrite overwrite = Overwrite::kNo);

  // The next bytes of the tensor whose turn it is, in the order of the plan, in pieces of any size.
  void write(std::string_view tensor, std::span<const std::byte> bytes) { stream_->write(tensor, bytes); }

  // Puts `text` where `placeholder` last stands in the metadata; both have the same length.
  void replace_in_header(std::string_view placeholder, std::string_view text);

  // All tensors are written: flushes, reads the file back, and gives it its name. A writer that is destroyed before
  // leaves nothing.
  void finish();

  std::uint64_t file_bytes() const { return header_.size() + data_bytes_; }

 private:
  void verify() const;

  AtomicFile file_;
  std::vector<TensorPlan> tensors_;
  std::string header_;  // everything in front of the data
  std::uint64_t data_bytes_ = 0;
  std::optional<TensorStream> stream_;
};

}  // namespace regroup
