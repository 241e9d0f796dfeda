// How a program ends when its memory does: in order, with one line and exit code 6.
#pragma once

namespace regroup {

// For main(), once. Keeps some memory back that an allocation which fails gives free before it throws std::bad_alloc,
// so that what unwinds, removes temporary files and words the message has some. Where the exception cannot be passed on
// (nlohmann::json allocates in its destructor) the program writes its line and ends with code 6 all the same.
// `program`: its name, in front of the line; must last.
void keep_memory_reserve(const char* program);

}  // namespace regroup
