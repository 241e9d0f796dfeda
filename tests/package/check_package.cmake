# Installs a build into an empty prefix, moves the prefix, and uses what is there as somebody else would: the C example in a folder
# of its own by find_package, and the programs from another directory.
# cmake -D BUILD=<build folder> -D SOURCE=<checkout> -D WORK=<scratch folder> -D GENERATOR=<of the build> -P check_package.cmake
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK}/example ${WORK}/elsewhere)
set(prefix ${WORK}/moved)

# run(<what for> <variable for stdout> COMMAND...)
function(run what out)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${WORK}/elsewhere RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE problem)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what}: ${result}\n${output}\n${problem}")
  endif()
  set(${out} "${output}" PARENT_SCOPE)
endfunction()

run("install" unused ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/installed)
file(RENAME ${WORK}/installed ${prefix})

file(COPY ${SOURCE}/examples/decode.c ${SOURCE}/examples/CMakeLists.txt DESTINATION ${WORK}/example)
run("configure the example" unused ${CMAKE_COMMAND} -G ${GENERATOR} -S ${WORK}/example -B ${WORK}/example/build -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_BUILD_TYPE=Release "-DCMAKE_C_FLAGS=-std=c99 -Wall -Wextra -Wpedantic -Werror ${EXTRA_C_FLAGS}")
run("build the example" unused ${CMAKE_COMMAND} --build ${WORK}/example/build)

# Both find the bundled model of the moved prefix, and write the same greedy text.
run("the example" from_c ${WORK}/example/build/decode "My dear child")
run("the program" from_program ${prefix}/bin/regroup run -q -p "My dear child" -n 48 --temp 0)
string(STRIP "${from_c}" from_c)
string(STRIP "${from_program}" from_program)
string(LENGTH "${from_c}" length)
if(length LESS 50 OR NOT from_c STREQUAL from_program)
  message(FATAL_ERROR "the example wrote\n${from_c}\nand the program\n${from_program}")
endif()

# Nothing but the C interface may be seen.
find_program(NM nm)
file(GLOB library ${prefix}/lib*/libregroup.so ${prefix}/lib/*/libregroup.so)
if(NM AND library)
  run("nm" symbols ${NM} -D --defined-only --format=posix ${library})
  string(REGEX REPLACE "regroup_[a-z_]+@@REGROUP_1 T [^\n]*\n|REGROUP_1 A[^\n]*\n" "" others "${symbols}")
  if(NOT others STREQUAL "" OR NOT symbols MATCHES "regroup_decode@@")
    message(FATAL_ERROR "libregroup exports more or less than its interface:\n${others}\nof\n${symbols}")
  endif()
endif()
file(REMOVE_RECURSE ${WORK})
