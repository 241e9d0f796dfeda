#include "converter/source_checksum.h"

#include <algorithm>
#include <span>
#include <system_error>

#include "runtime/core/digest.h"
#include "runtime/core/error.h"
#include "runtime/core/json.h"

namespace regroup {

std::string checksum(const ModelFile& source, const Progress& progress, const CancelFlag* cancel) {
  constexpr std::size_t kPieceBytes = std::size_t{8} << 20;
  Digest digest;
  std::uint64_t done = 0;
  for (const MappedFile& file : source.files()) {
    const auto bytes = file.bytes();
    for (std::size_t at = 0; at < bytes.size(); at += kPieceBytes) {
      if (cancelled(cancel)) throw_error(ErrorCode::kInterrupted, "stopped while reading the checkpoint");
      const auto piece = bytes.subspan(at, std::min(kPieceBytes, bytes.size() - at));
      digest.add(piece);
      file.release_pages(piece);
      done += piece.size();
      if (progress) progress("checking", static_cast<double>(done) / static_cast<double>(source.file_bytes()));
    }
  }
  return digest.finish();
}

std::string settings_checksum(const ModelFile& source, bool reads_text) {
  Digest digest;
  const auto add = [&](std::span<const std::byte> bytes) {
    // With its length, so that nothing moves from one file to the next unseen.
    const std::uint64_t size = bytes.size();
    digest.add(std::as_bytes(std::span(&size, 1)));
    digest.add(bytes);
  };
  const auto add_text = [&](const std::string& text) { add(std::as_bytes(std::span(text))); };
  add_text(source.config().dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (reads_text) {
    add_text(source.tokenizer_json());
    add_text(source.tokenizer_config_json());
    add_text(source.generation_config_json());
    add(source.sentencepiece_model());
    // Last and only where it is there: checksums of other directories stay what they were.
    if (!source.added_tokens_json().empty()) add_text(source.added_tokens_json());
  }
  return digest.finish();
}

BackgroundChecksum::BackgroundChecksum(const ModelFile& source) : source_(source) {
  try {
    thread_ = std::thread([this] {
      try {
        digest_ = checksum(source_, {}, &stop_);
      } catch (...) {
        problem_ = std::current_exception();
      }
    });
  } catch (const std::system_error&) {  // the system gives no more threads: wait() does the work
  }
}

BackgroundChecksum::~BackgroundChecksum() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

std::string BackgroundChecksum::wait() {
  if (thread_.joinable()) thread_.join();
  if (problem_) std::rethrow_exception(problem_);
  if (digest_.empty()) digest_ = checksum(source_, {}, &stop_);
  return digest_;
}

}  // namespace regroup
