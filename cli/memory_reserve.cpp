#include "cli/memory_reserve.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "runtime/core/error.h"

namespace regroup {
namespace {

constexpr std::size_t kReserveBytes = std::size_t{1} << 20;

std::atomic<void*> reserve{nullptr};
const char* program_name = "";
std::terminate_handler previous_handler = nullptr;  // set before it can be asked for

[[noreturn]] void give_reserve_free() {
  std::free(reserve.exchange(nullptr));
  throw std::bad_alloc();
}

[[noreturn]] void end_without_memory() {
  const std::exception_ptr failure = std::current_exception();
  // A destructor that asks for memory in vain ends here without an exception to be looked at.
  bool memory_ended = failure == nullptr && reserve == nullptr;
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const std::bad_alloc&) {
    memory_ended = true;
  } catch (...) {
  }
  if (memory_ended) {
    std::fprintf(stderr, "%s: out of host memory\n", program_name);
    std::_Exit(exit_code(ErrorCode::kOutOfMemory));
  }
  previous_handler();
  std::_Exit(exit_code(ErrorCode::kFailed));
}

}  // namespace

void keep_memory_reserve(const char* program) {
  program_name = program;
  reserve = std::malloc(kReserveBytes);
  std::set_new_handler(give_reserve_free);
  previous_handler = std::set_terminate(end_without_memory);
}

}  // namespace regroup
