#include "viewer/frame_pace.h"

#include <algorithm>

namespace regroup::view {
namespace {

constexpr double kAnimationSeconds = 1.0 / 30, kIdleSeconds = 1.0;
// Where frames are slow, as on a CPU driver under load, news must leave most of the time to input: whoever presses a
// key while a frame is drawn waits for that one too.
constexpr double kLeastFree = 3.0;

}  // namespace

double FramePace::published_interval(const Wish& wish) const {
  return std::clamp(kLeastFree * wish.frame_seconds, published_seconds, kIdleSeconds / 2);
}

double FramePace::wait_seconds(const Wish& wish) const {
  double interval = kIdleSeconds;
  if (wish.minimised) return interval;
  if (wish.owes_answer) {
    interval = 0;
  } else if (wish.animating) {
    interval = kAnimationSeconds;
  } else if (wish.published) {
    interval = published_interval(wish);
  } else {
    return interval;
  }
  return std::max(interval - wish.since_drawn, 0.0);
}

bool FramePace::is_due(const Wish& wish) const {
  if (wish.minimised) return wish.published && wish.since_drawn >= kIdleSeconds;  // a lost device is noticed there
  return wish.owes_answer || (wish.animating && wish.since_drawn >= least_seconds) ||
         (wish.published && wish.since_drawn >= published_interval(wish));
}

}  // namespace regroup::view
