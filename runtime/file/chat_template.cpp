#include "runtime/file/chat_template.h"

#include "runtime/core/json_checked.h"
#include "runtime/file/bad_file.h"

namespace regroup {

namespace {

bool is_named_template(const nlohmann::json& entry) {
  return entry.is_object() && entry.contains("name") && entry["name"].is_string() && entry.contains("template") &&
         entry["template"].is_string();
}

}  // namespace

std::string find_chat_template(std::string_view text, std::string_view file) {
  const nlohmann::json config = parse_json_checked(text, file);
  if (!config.is_object()) bad_file(file, "is {}, expected an object", config.type_name());
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return {};
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) bad_file(file, "chat_template is {}, expected a string or a list", found->type_name());
  for (const nlohmann::json& entry : *found) {
    if (!is_named_template(entry)) bad_file(file, "chat_template has an entry without the strings name and template");
    if (entry["name"] == "default") return entry["template"].get<std::string>();
  }
  return {};
}

}  // namespace regroup
