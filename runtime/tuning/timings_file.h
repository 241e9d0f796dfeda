// What timings of candidates found on a device, kept in the user's cache:
// tuning-<device>-<pipelineCacheUUID>-<driver version>.json. The file is untrusted input: one that is damaged counts as
// absent, and all that one with false figures can do is to choose slow kernels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/gpu/instance.h"
#include "runtime/tuning/candidate_speed.h"

namespace regroup::tuning {

// Of one class of shapes.
struct ShapeTiming {
  std::string shape;                   // "q4_1 1024 x 512"
  std::string kernels;                 // fingerprint of what was timed
  std::uint32_t taken = 0;             // how often; the least of all counts
  std::vector<CandidateSpeed> speeds;  // of all candidates, the table's choice first

  const std::string& chosen() const { return speeds[order_of(speeds).front()].name; }
  // A timing that overturns the table may have been taken while the machine was busy: it is taken once more at the next
  // start.
  bool settled() const { return taken >= 2 || chosen() == speeds.front().name; }
};

class TimingsFile {
 public:
  // Reads what is kept of this device in `directory`.
  TimingsFile(const std::filesystem::path& directory, const DeviceInfo& device);

  const std::vector<ShapeTiming>& timings() const { return timings_; }
  // The timing of this class, these kernels and just these candidates; null when there is none.
  const ShapeTiming* find(const std::string& shape, const std::string& kernels,
                          const std::vector<std::string>& candidates) const;
  // In place of one that find() would have given.
  void put(ShapeTiming timing);
  // Failures are silent: it is only a cache.
  void save() const;

 private:
  void load();

  std::filesystem::path path_;
  std::vector<ShapeTiming> timings_;  // the oldest first
};

}  // namespace regroup::tuning
