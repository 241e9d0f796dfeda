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
  constexpr std::string_view kGgufKey = "general.architecture", kField = "model_type";
  const std::string found =
      gguf ? file.metadata().get_string(kGgufKey) : JsonFields::config_of(file).find_string(kField).value_or("");
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
  const std::string problem = found.empty()
                                  ? fmt::format("names no architecture; known are {}", fmt::join(known, ", "))
                                  : fmt::format("is '{}', an architecture that is not supported; known are {}",
                                                escaped(found), fmt::join(known, ", "));
  if (gguf) file.metadata().refuse(kGgufKey, problem);
  JsonFields::config_of(file).refuse(kField, problem);
}

}  // namespace regroup
