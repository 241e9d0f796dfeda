// Which family of kernels to decode with: the first one that computes right on this device, as a short self-test finds
// before the first use and remembers.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/file/model_file.h"
#include "runtime/selftest/self_test.h"

namespace regroup::selftest {

// What decoding this file with this cache needs kernels for; `regroups`: with merged projections, which are f32 or f16.
KernelNeeds kernel_needs(const ModelFile& file, CacheType cache_type, bool regroups);

struct TrustedKernels {
  KernelProfile profile;
  std::vector<std::string> remarks;  // a line for each family or kernel that is disabled, and what takes its place
};

// The first of `families` whose kernels for `needs` pass. Where none does, the first with those kernels that fail
// compiled without the driver's optimisations, should that help. Throws kNoDevice when nothing computes right.
TrustedKernels trusted_kernels(Device& device, std::span<const KernelProfile> families, const KernelNeeds& needs);

// For what comes to be needed later of a family that is in use. Throws kNoDevice where it computes wrong results.
void require_kernels(Device& device, const KernelProfile& family, const KernelNeeds& needs);

}  // namespace regroup::selftest
