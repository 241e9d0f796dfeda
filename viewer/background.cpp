#include "viewer/background.h"

#include <sys/resource.h>
#include <unistd.h>

#include <exception>
#include <thread>

namespace regroup::view {
namespace {

constexpr int kNice = 10;  // about a tenth of the weight of a thread at 0, where both want to run

}  // namespace

void give_way() {
  // Linux keeps this by thread; a failure only means that nothing changes.
  static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice));
}

void run_giving_way(const std::function<void()>& work) {
  std::exception_ptr problem;
  std::thread([&] {
    give_way();
    try {
      work();
    } catch (...) {
      problem = std::current_exception();
    }
  }).join();
  if (problem) std::rethrow_exception(problem);
}

}  // namespace regroup::view
