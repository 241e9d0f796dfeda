#include "cli/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace regroup::cli {
namespace {

// Signal handlers can reach nothing but globals; these are the program's, not the library's.
CancelFlag interrupted_by_user{false};
// A byte in this pipe wakes wait_for_input(), whichever thread the signal came to and however early.
int waking[2] = {-1, -1};

void on_interrupt(int) {
  if (interrupted_by_user.exchange(true)) _exit(130);
  const int before = errno;
  (void)!write(waking[1], "", 1);
  errno = before;
}

}  // namespace

CancelFlag& interrupt_flag() {
  return interrupted_by_user;
}

void install_interrupt_handler() {
  if (pipe(waking) == 0) {
    for (const int end : waking) {
      fcntl(end, F_SETFD, FD_CLOEXEC);
      fcntl(end, F_SETFL, O_NONBLOCK);
    }
  }
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void forget_interrupt() {
  interrupted_by_user = false;
  for (char byte; read(waking[0], &byte, 1) == 1;) {
  }
}

bool wait_for_input() {
  pollfd either[2] = {{STDIN_FILENO, POLLIN, 0}, {waking[0], POLLIN, 0}};
  while (!interrupted_by_user) {
    if (poll(either, 2, -1) < 0) {
      if (errno == EINTR) continue;
      break;  // then reading tells
    }
    if (either[0].revents != 0) break;
  }
  return !interrupted_by_user;
}

}  // namespace regroup::cli
