// The edge between C and C++: options in, errors out, no exception across.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>

#include "capi/include/regroup/regroup.h"
#include "runtime/core/error.h"
#include "runtime/core/progress.h"

namespace regroup::capi {

// Copies as much of `text` as fits, with a zero behind it and no character cut in half.
template <std::size_t kSize>
void copy_text(char (&to)[kSize], std::string_view text) {
  std::size_t length = std::min(text.size(), kSize - 1);
  if (length < text.size()) {
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  }
  text.copy(to, length);  // not memcpy, which no pointer may be null for, even where nothing is copied
  to[length] = '\0';
}

regroup_status report(regroup_error* error, regroup_status status, std::string_view message);
// The exception that is being handled.
regroup_status report_exception(regroup_error* error);

// Runs `body`; what it throws becomes the result.
template <typename Body>
regroup_status guarded(regroup_error* error, const Body& body) {
  try {
    body();
    return report(error, REGROUP_OK, {});
  } catch (...) {
    return report_exception(error);
  }
}

// Throws kUsage when a pointer that must be there is NULL.
inline void require(const void* pointer, const char* name) {
  if (pointer == nullptr) throw_error(ErrorCode::kUsage, "{} is NULL", name);
}

// Throws kUsage unless `size` of the caller's structure may be right. Before the work: an hour of it is not to be lost.
template <typename Structure>
void check_size(const Structure* given, const char* name) {
  if (given != nullptr && (given->size < sizeof given->size || given->size > 65536)) {
    throw_error(ErrorCode::kUsage, "the member `size` of {0} is {1}; set it to sizeof({0})", name, given->size);
  }
}

// A copy of the caller's options, of whatever version, with zeros where the caller's structure ends; NULL is all zeros.
template <typename Options>
Options read_options(const Options* given, const char* name) {
  Options options{};
  if (given == nullptr) return options;
  check_size(given, name);
  std::memcpy(static_cast<void*>(&options), given, std::min(given->size, sizeof options));
  return options;
}

// Fills as much of the caller's structure as it has; its size was checked.
template <typename Result>
void write_result(Result* to, Result result) {
  if (to == nullptr) return;
  result.size = to->size;
  std::memcpy(static_cast<void*>(to), &result, std::min(result.size, sizeof result));
}

// *count becomes how many there are; as many as fit are written.
template <typename T>
void write_array(std::span<const T> values, T* to, std::size_t capacity, std::size_t* count) {
  require(count, "count");
  *count = values.size();
  if (capacity == 0) return;
  require(to, "the buffer");
  std::copy_n(values.begin(), std::min(capacity, values.size()), to);
}

inline std::string text_of(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

// Hands progress to the caller's function, and its wish to stop to `cancel`. Both must outlive what is returned.
Progress progress_to(const regroup_progress* progress, CancelFlag& cancel);

}  // namespace regroup::capi
