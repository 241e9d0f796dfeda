#include "runtime/file/generation_ids.h"

#include <cstdint>
#include <utility>

#include "runtime/core/json.h"
#include "runtime/core/json_checked.h"
#include "runtime/file/bad_file.h"
#include "runtime/file/ceilings.h"

namespace regroup {

namespace {

using nlohmann::json;

constexpr const char* kBegin = "bos_token_id";
constexpr const char* kEnd = "eos_token_id";

// The ids of one field, of the first `vocabulary` numbers.
json read_ids(const json& object, const char* field, std::string_view file, std::uint64_t vocabulary) {
  json ids = json::array();
  const auto value = object.find(field);
  if (value == object.end() || value->is_null()) return ids;
  const auto add = [&](const json& id) {
    if (id.is_number_integer() && id == -1) return;  // how some writers say that there is none
    if (!is_whole_number(id, vocabulary - 1)) {
      bad_file(file, "'{}' has {}, expected a token's id from 0 to {}, or a list of them", field,
               escaped(id.dump().substr(0, 60)), vocabulary - 1);
    }
    ids.push_back(id);
  };
  if (value->is_array()) {
    for (const json& id : *value) add(id);
  } else {
    add(*value);
  }
  return ids;
}

}  // namespace

std::string with_end_ids(std::string generation, std::string_view generation_name, const json& config,
                         std::string_view config_name) {
  // One that is missing or no number is the model's to refuse.
  const auto stated = config.find("vocab_size");
  const bool bounded = stated != config.end() && is_whole_number(*stated, kMaxVocabulary) && *stated != 0;
  const std::uint64_t vocabulary = bounded ? stated->get<std::uint64_t>() : kMaxVocabulary;
  (void)read_ids(config, kBegin, config_name, vocabulary);
  json ends = read_ids(config, kEnd, config_name, vocabulary);
  json object = json::object();
  if (!generation.empty()) {
    object = parse_json_checked(generation, generation_name, kMaxModelConfigBytes, kMaxModelConfigValues);
    if (!object.is_object()) bad_file(generation_name, "is {}, expected an object", object.type_name());
    (void)read_ids(object, kBegin, generation_name, vocabulary);
    if (!read_ids(object, kEnd, generation_name, vocabulary).empty()) return generation;
  }
  if (ends.empty()) return generation;
  object[kEnd] = std::move(ends);
  return object.dump();
}

}  // namespace regroup
