// When a window draws its next frame: at once for input, seldom for what the engine publishes, never while nobody can
// see it.
#pragma once

namespace regroup::view {

struct FramePace {
  // Least times between frames: that show what the engine publishes, and that show what moves.
  double published_seconds = 1.0 / 60, least_seconds = 1.0 / 120;

  struct Wish {
    bool minimised = false;
    bool owes_answer = false;  // input waits for the frame that answers it
    bool animating = false;    // something still moves
    bool published = false;    // the engine has news
    double since_drawn = 0;    // seconds since the last frame was finished
    double frame_seconds = 0;  // that frames take lately
  };

  // How long to wait for events, at most; a window without news looks around once a second.
  double wait_seconds(const Wish& wish) const;
  bool is_due(const Wish& wish) const;

 private:
  double published_interval(const Wish& wish) const;
};

}  // namespace regroup::view
