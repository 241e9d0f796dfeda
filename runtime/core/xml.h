// Text for XML documents, of which SVG pictures are.
#pragma once

#include <string>
#include <string_view>

namespace regroup {

// `text` as the content of an element or an attribute in double quotes; control characters are left out.
std::string xml_text(std::string_view text);

}  // namespace regroup
