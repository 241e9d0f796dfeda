// Fuzz targets of files that the program itself writes: traces and the cache of compiled kernels.
#include <cstring>
#include <stdexcept>
#include <vector>

#include "runtime/decode/trace.h"
#include "runtime/gpu/pipeline_cache.h"
#include "tests/fuzz/targets.h"

namespace regroup::test {

void fuzz_trace(Input input) {
  may_refuse([&] {
    const Trace trace = trace_from_json(text_of_input(input), "trace.json");
    // What was accepted can be written and read again, and differs from itself in nothing.
    const Trace again = trace_from_json(trace_to_json(trace), "again.json");
    if (compare_traces(trace, again).first_token) throw std::logic_error("a trace differs from its copy");
    (void)compare_traces(trace, again).describe();
  });
}

void fuzz_pipeline_cache(Input input) {
  DeviceInfo info;
  info.vendor_id = 0x10005;
  const std::string_view text = text_of_input(input);
  std::vector<char> bytes(text.begin(), text.end());
  (void)verified_pipeline_cache(bytes, info);
  // And as a file whose checksum is right, which random bytes never have.
  seal_pipeline_cache(bytes);
  const std::span<const char> data = verified_pipeline_cache(bytes, info);
  if (!data.empty() && (data.data() < bytes.data() || data.data() + data.size() != bytes.data() + bytes.size()))
    throw std::logic_error("data from outside the file");
}

}  // namespace regroup::test
