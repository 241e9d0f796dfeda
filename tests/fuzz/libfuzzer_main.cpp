// libFuzzer's entry for the target that REGROUP_FUZZ_TARGET names.
#include <cstdint>
#include <span>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  regroup::test::REGROUP_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}
