#include "converter/source_checksum.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/core/sha256.h"

namespace regroup {

std::string checksum(const ModelFile& source, const Progress& progress, const CancelFlag* cancel) {
  constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
  Sha256 of_digests;
  // As sha256sum prints the digest of what it reads from a pipe.
  const auto finish = [&](Sha256& piece) {
    const std::string line = piece.finish() + "  -\n";
    of_digests.add(std::as_bytes(std::span(line)));
  };
  std::uint64_t done = 0;
  for (const MappedFile& file : source.files()) {
    const auto bytes = file.bytes();
    for (std::size_t at = 0; at < bytes.size(); at += 2 * kPieceBytes) {
      if (cancelled(cancel)) throw_error(ErrorCode::kInterrupted, "stopped while reading the checkpoint");
      const auto pair = bytes.subspan(at, std::min(2 * kPieceBytes, bytes.size() - at));
      const std::size_t first_bytes = std::min(kPieceBytes, pair.size());
      Sha256 first, second;
      add_to_both(first, pair.first(first_bytes), second, pair.subspan(first_bytes));
      finish(first);
      if (pair.size() > kPieceBytes) finish(second);
      file.release_pages(pair);
      done += pair.size();
      if (progress) progress("checking", static_cast<double>(done) / static_cast<double>(source.file_bytes()));
    }
  }
  return of_digests.finish();
}

BackgroundChecksum::BackgroundChecksum(const ModelFile& source)
    : thread_([this, &source] {
        try {
          digest_ = checksum(source, {}, &stop_);
        } catch (...) {
          problem_ = std::current_exception();
        }
      }) {}

BackgroundChecksum::~BackgroundChecksum() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

std::string BackgroundChecksum::wait() {
  if (thread_.joinable()) thread_.join();
  if (problem_) std::rethrow_exception(problem_);
  return digest_;
}

}  // namespace regroup
