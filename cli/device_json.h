// What documents say about a device.
#pragma once

#include "cli/command.h"

namespace regroup::cli {

// Name, driver, versions, UUIDs.
Json device_json(const DeviceInfo& info);
// The features and limits that kernels look at.
Json feature_json(const DeviceFeatures& features);

}  // namespace regroup::cli
