// Where a converted checkpoint came from and what was done to it: written into the file itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/core/json.h"
#include "runtime/file/gguf_metadata.h"
#include "runtime/file/model_file.h"

namespace regroup {

struct Provenance {
  std::string source_name;      // file or folder name
  std::string source_checksum;  // see source_checksum.h
  std::string method;           // as asked for
  std::uint64_t seed = 0;
  std::string calibration;  // what it was calibrated on, in words; empty: nothing
  // By layer.
  std::vector<std::uint32_t> source_groups, groups;
  std::vector<std::string> methods;
  std::vector<std::optional<double>> errors;
  std::vector<std::string> members;  // source heads of each group, "0,1|2,3"; empty for layers left as they are
};

// As keys `regroup.*` of a GGUF file.
void add_provenance(GgufMetadata& metadata, const Provenance& provenance);

// As the object `regroup` of config.json.
nlohmann::ordered_json provenance_json(const Provenance& provenance);

// What of it can be read back; empty: not stated.
struct StatedSource {
  std::string name, checksum, method, calibration;
};

// Nothing where the file names no method of regroup's. What is not text is passed over: it is for people to read only.
std::optional<StatedSource> stated_source(const ModelFile& file);

}  // namespace regroup
