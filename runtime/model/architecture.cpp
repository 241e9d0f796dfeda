#include "runtime/model/architecture.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/model/json_fields.h"

namespace regroup {

#define REGROUP_ARCHITECTURE(name) const Architecture& name##_architecture();
#include "runtime/model/architectures.def"
#undef REGROUP_ARCHITECTURE

const std::vector<const Architecture*>& architectures() {
  static const std::vector<const Architecture*> all = {
#define REGROUP_ARCHITECTURE(name) &name##_architecture(),
#include "runtime/model/architectures.def"
#undef REGROUP_ARCHITECTURE
  };
  return all;
}

const Architecture& architecture_of(const ModelFile& file) {
  const bool gguf = file.kind() == ModelFileKind::kGguf;
  const std::string found =
      gguf ? file.metadata().get_string("general.architecture")
           : JsonFields(file.config(), file.path().string() + "/config.json").find_string("model_type").value_or("");
  std::vector<std::string_view> known;
  for (const Architecture* architecture : architectures()) {
    if (gguf) {
      known.push_back(architecture->name);
      if (architecture->name == found) return *architecture;
    } else {
      for (const std::string_view type : architecture->hugging_face_types) {
        known.push_back(type);
        if (type == found) return *architecture;
      }
    }
  }
  if (found.empty()) {
    throw_error(ErrorCode::kBadModel, "{}: config.json names no model_type; known are {}", file.path().string(),
                fmt::join(known, ", "));
  }
  throw_error(ErrorCode::kBadModel, "{}: architecture '{}' is not supported; known are {}", file.path().string(),
              escaped(found), fmt::join(known, ", "));
}

}  // namespace regroup
