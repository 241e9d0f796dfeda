// How the readers refuse a file: one line "FILE: what is wrong", with everything that came from outside escaped.
#pragma once

#include <string_view>
#include <utility>

#include "runtime/core/error.h"

namespace regroup {

// Paths are cut later than other text, so that their end, the file's name, stays visible.
inline constexpr std::size_t kShownPathBytes = 400;

// Throws kBadModel. Strings among `args` that come from the file must be passed through escaped().
template <typename... Args>
[[noreturn]] void bad_file(std::string_view file, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::kBadModel,
              escaped(file, kShownPathBytes) + ": " + fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace regroup
