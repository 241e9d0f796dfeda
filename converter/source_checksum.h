// The checksum of a checkpoint's weight files: what provenance, finished layers and cached groupings are known by.
#pragma once

#include <atomic>
#include <exception>
#include <string>
#include <thread>

#include "runtime/core/progress.h"
#include "runtime/file/model_file.h"

namespace regroup {

// As `xxhsum -H2 FILE` prints it, or of several weight files `cat FILES | xxhsum -H2`. Throws kInterrupted.
std::string checksum(const ModelFile& source, const Progress& progress = {}, const CancelFlag* cancel = nullptr);

// Of what stands beside the weights of a Hugging Face directory and decides what they compute: its config, and with
// `reads_text` the tokenizer and what texts begin with. A GGUF file holds all that itself. Finished layers and cached
// groupings are known by it too.
std::string settings_checksum(const ModelFile& source, bool reads_text);

// The same as checksum(), computed by a thread beside other work on the file: hashing and writing then take as long as
// the slower of them. `source` must outlive it; going away stops it.
class BackgroundChecksum {
 public:
  explicit BackgroundChecksum(const ModelFile& source);
  ~BackgroundChecksum();
  BackgroundChecksum(const BackgroundChecksum&) = delete;
  BackgroundChecksum& operator=(const BackgroundChecksum&) = delete;

  // Waits for it. Throws what went wrong.
  std::string wait();

 private:
  const ModelFile& source_;
  CancelFlag stop_ = false;
  std::string digest_;
  std::exception_ptr problem_;
  std::thread thread_;
};

}  // namespace regroup
