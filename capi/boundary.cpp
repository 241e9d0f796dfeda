#include "capi/boundary.h"

namespace regroup::capi {

regroup_status report(regroup_error* error, regroup_status status, std::string_view message) {
  if (error != nullptr) {
    error->status = status;
    copy_text(error->message, message);
  }
  return status;
}

regroup_status report_exception(regroup_error* error) {
  try {
    throw;
  } catch (const Error& failure) {
    // Where a path was not escaped on the way.
    return report(error, static_cast<regroup_status>(exit_code(failure.code())),
                  escaped(failure.what(), sizeof(regroup_error::message)));
  } catch (const std::bad_alloc&) {
    return report(error, REGROUP_OUT_OF_MEMORY, "out of host memory");
  } catch (const std::exception& failure) {
    // what() of a foreign exception may hold anything, and may be long.
    char message[sizeof(regroup_error::message)];
    copy_text(message, "internal error, please report it: ");
    const std::size_t used = std::strlen(message);
    std::size_t length = 0;
    for (const char* c = failure.what(); *c != '\0' && used + length + 1 < sizeof message; ++c) {
      message[used + length++] = *c >= 0x20 && *c < 0x7f ? *c : '?';
    }
    return report(error, REGROUP_FAILED, std::string_view(message, used + length));
  } catch (...) {
    return report(error, REGROUP_FAILED, "internal error: an exception of unknown type; please report it");
  }
}

Progress progress_to(const regroup_progress* progress, CancelFlag& cancel) {
  if (progress == nullptr || progress->report == nullptr) return {};
  return [progress, &cancel](std::string_view label, double fraction) {
    const std::string text(label);
    if (progress->report(progress->user, text.c_str(), fraction) != 0) cancel = true;
  };
}

}  // namespace regroup::capi
