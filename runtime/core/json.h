// nlohmann::json, whose instance is compiled once, in json.cpp, and not in each of a hundred files.
#pragma once

#include <nlohmann/json.hpp>

extern template class nlohmann::basic_json<>;
