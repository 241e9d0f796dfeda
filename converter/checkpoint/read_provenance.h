// Where a checkpoint says it came from, as convert writes it.
#pragma once

#include <optional>
#include <string>

#include "runtime/file/model_file.h"

namespace regroup {

// As in provenance.h; empty: not stated.
struct StatedSource {
  std::string name, checksum, method, calibration;
};

// Nothing where the file names no method of regroup's. What is not text is passed over: it is for people to read only.
std::optional<StatedSource> stated_source(const ModelFile& file);

}  // namespace regroup
