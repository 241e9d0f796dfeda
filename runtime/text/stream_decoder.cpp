#include "runtime/text/stream_decoder.h"

#include <algorithm>

#include "runtime/core/utf8.h"

namespace regroup {
namespace {

// The length of the longest end of `text` with which `stop` begins, but not the whole of `stop`.
std::size_t possible_beginning(const std::string& text, const std::string& stop) {
  for (std::size_t length = std::min(text.size(), stop.size() - 1); length > 0; --length) {
    if (text.compare(text.size() - length, length, stop, 0, length) == 0) return length;
  }
  return 0;
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, StreamOptions options)
    : tokenizer_(&tokenizer), options_(std::move(options)) {
  std::erase_if(options_.stops, [](const std::string& stop) { return stop.empty(); });
}

std::string StreamDecoder::feed(std::uint32_t id) {
  if (stopped_) return {};
  const bool hidden = tokenizer_->is_control(id) && !options_.show_special;
  if (hidden) return {};
  const std::uint32_t one[] = {id};
  // decode() takes the added space off; inside a text it belongs there.
  bytes_ += first_ && options_.starts_text ? tokenizer_->decode(one, true) : tokenizer_->piece(id);
  first_ = false;
  const std::size_t complete = bytes_.size() - incomplete_utf8_tail(bytes_);
  held_ += replace_invalid_utf8(std::string_view(bytes_).substr(0, complete));
  bytes_.erase(0, complete);
  return release(false);
}

std::string StreamDecoder::finish() {
  if (stopped_) return {};
  held_ += replace_invalid_utf8(bytes_);
  bytes_.clear();
  return release(true);
}

std::string StreamDecoder::release(bool everything) {
  std::size_t stop_at = std::string::npos;
  std::size_t keep = 0;
  for (const std::string& stop : options_.stops) {
    stop_at = std::min(stop_at, held_.find(stop));
    keep = std::max(keep, possible_beginning(held_, stop));
  }
  if (stop_at != std::string::npos) {
    stopped_ = true;
    std::string out = held_.substr(0, stop_at);
    held_.clear();
    return out;
  }
  if (everything) keep = 0;
  // A stop text may begin in the middle of a character only if it is no valid UTF-8 itself; then the character stays
  // whole.
  while (keep < held_.size() && keep > 0 && (static_cast<unsigned char>(held_[held_.size() - keep]) & 0xc0u) == 0x80u)
    ++keep;
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  return out;
}

}  // namespace regroup
