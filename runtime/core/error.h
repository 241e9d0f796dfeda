// The one exception type of the library: an environment failure (file, driver, memory, usage) in words for the user.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace regroup {

// What kind of failure it was; the command line's exit codes follow from it.
enum class ErrorCode {
  kFailed,       // the work failed (exit 1)
  kUsage,        // the caller asked for something impossible (exit 2)
  kBadModel,     // a model file is malformed or unsupported (exit 3)
  kNoDevice,     // no device, or a feature that the work cannot do without is missing (exit 4)
  kDeviceLost,   // the driver reported a lost device (exit 5)
  kOutOfMemory,  // host or device memory ran out or would run out (exit 6)
  kNotANumber,   // the model computed a logit that is not a finite number (exit 1)
  kInterrupted,  // the user stopped the work (exit 130)
};

// The process exit code that stands for `code`.
int exit_code(ErrorCode code);

// One line: what was attempted, on what, what was found, what to do next. Text from files is escaped when it is put in.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// Builds the message in place: throw_error(ErrorCode::kBadModel, "{}: tensor {} ...", path, name).
template <typename... Args>
[[noreturn]] void throw_error(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// A mistake of our own, checked in release builds too: throws std::logic_error naming file and line.
[[noreturn]] void fail_check(const char* condition, const char* file, int line);

// `text` with control characters, invalid UTF-8 and bidirectional controls written as \xNN or \u{N}, cut to `limit`
// bytes: nothing from a file may reach a terminal raw.
std::string escaped(std::string_view text, std::size_t limit = 160);

}  // namespace regroup

#define REGROUP_CHECK(condition)                                             \
  do {                                                                       \
    if (!(condition)) ::regroup::fail_check(#condition, __FILE__, __LINE__); \
  } while (false)
