// The checksum of a checkpoint's weight files: what provenance, finished layers and cached groupings are known by. A
// SHA-256 of SHA-256 digests, of pieces that can be hashed side by side: one digest of all bytes would take longer than
// copying them.
#pragma once

#include <atomic>
#include <exception>
#include <string>
#include <thread>

#include "runtime/core/progress.h"
#include "runtime/file/model_file.h"

namespace regroup {

// As `split -b 4M --filter=sha256sum FILE | sha256sum` prints it (of several weight files: of the outputs of their
// `split`s, one after the other). Throws kInterrupted.
std::string checksum(const ModelFile& source, const Progress& progress = {}, const CancelFlag* cancel = nullptr);

// The same, computed by a thread beside other work on the file: hashing and writing then take as long as the slower of
// them. `source` must outlive it; going away stops it.
class BackgroundChecksum {
 public:
  explicit BackgroundChecksum(const ModelFile& source);
  ~BackgroundChecksum();
  BackgroundChecksum(const BackgroundChecksum&) = delete;
  BackgroundChecksum& operator=(const BackgroundChecksum&) = delete;

  // Waits for it. Throws what went wrong.
  std::string wait();

 private:
  CancelFlag stop_ = false;
  std::string digest_;
  std::exception_ptr problem_;
  std::thread thread_;
};

}  // namespace regroup
