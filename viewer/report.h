// What a run of the viewer came to, as JSON: what --json prints, with and without a window.
#pragma once

#include "runtime/core/json.h"

namespace regroup::view {

class Stage;

nlohmann::ordered_json run_report(Stage& stage);

}  // namespace regroup::view
