# Runs inside ctest, before it selects tests: asks each test program for its suites and registers them, one test (one process) per suite, and
# for suites that use the device per driver too: core.JsonChecked, lavapipe.ops.LinearFormatTest, swiftshader.ops.LinearFormatTest.
# Included by the file that tests/CMakeLists.txt generates, which sets
#   REGROUP_TEST_DRIVERS, REGROUP_<DRIVER>_ICD (empty: missing), REGROUP_TEST_CACHE (a folder), REGROUP_SANITIZE.

# What a user's environment may hold must not change a result. Caches go into the build folder, so that a second run is quick; each suite has
# its own, because the validation layer's is not written atomically.
# Further arguments: variables that this suite's environment has as well.
function(regroup_suite_properties name layer driver)
  file(MAKE_DIRECTORY ${REGROUP_TEST_CACHE}/${name} ${REGROUP_TEST_CACHE}/mesa)
  set(environment "XDG_CACHE_HOME=${REGROUP_TEST_CACHE}/${name}" "MESA_SHADER_CACHE_DIR=${REGROUP_TEST_CACHE}/mesa" ${ARGN})
  set(changes "")
  foreach(variable IN ITEMS DISPLAY WAYLAND_DISPLAY REGROUP_DEVICE VK_INSTANCE_LAYERS VK_ADD_DRIVER_FILES GTEST_FILTER GTEST_OUTPUT
                            GTEST_SHARD_INDEX GTEST_TOTAL_SHARDS)
    list(APPEND changes "${variable}=unset:")
  endforeach()
  set(labels ${layer})
  if(driver)
    string(TOUPPER ${driver} upper)
    list(APPEND labels ${driver})
    list(APPEND environment "VK_ICD_FILENAMES=${REGROUP_${upper}_ICD}" "VK_DRIVER_FILES=${REGROUP_${upper}_ICD}" "REGROUP_TEST_DRIVER=${driver}")
    if(REGROUP_SANITIZE)
      list(APPEND environment "ASAN_OPTIONS=detect_leaks=0")  # drivers keep what they have until the process ends
    endif()
  endif()
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${environment}" ENVIRONMENT_MODIFICATION "${changes}" LABELS "${labels}"
                       TIMEOUT 1200)  # a suite takes seconds to minutes; a busy machine must not fail one
endfunction()

# regroup_register_suites(<layer> <program> <regular expression of the suites that use the device>)
function(regroup_register_suites layer program device_suites)
  if(NOT EXISTS ${program})
    add_test(${layer}.NOT_BUILT sh -c "echo 'not built: ${program}'; exit 1")
    return()
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} -E env --unset=GTEST_FILTER ${program} --gtest_list_tests
                  OUTPUT_VARIABLE listing ERROR_VARIABLE problem RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message("${program} --gtest_list_tests: ${result} ${problem}")
    add_test(${layer}.CANNOT_LIST ${program} --gtest_list_tests)
    return()
  endif()
  # A line "Suite." or "Instance/Suite." or "Suite/0.  # TypeParam = ..." begins a suite; its instances run together.
  string(REGEX MATCHALL "(^|\n)[A-Za-z0-9_/]+\\.[^\n]*" lines "${listing}")
  set(suites "")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^\n?([A-Za-z0-9_/]+)\\..*" "\\1" full "${line}")
    string(REGEX REPLACE "/[0-9]+$" "" suite "${full}")
    string(REGEX REPLACE "^.*/" "" suite "${suite}")
    list(APPEND suites ${suite})
    list(APPEND filter_${suite} "${full}.*")
  endforeach()
  list(REMOVE_DUPLICATES suites)
  foreach(suite IN LISTS suites)
    string(REPLACE ";" ":" filter "${filter_${suite}}")
    if(NOT suite MATCHES "${device_suites}")
      add_test(${layer}.${suite} ${program} --gtest_filter=${filter})
      regroup_suite_properties(${layer}.${suite} ${layer} "")
      continue()
    endif()
    foreach(driver IN LISTS REGROUP_TEST_DRIVERS)
      string(TOUPPER ${driver} upper)
      if(REGROUP_${upper}_ICD)
        add_test(${driver}.${layer}.${suite} ${program} --gtest_filter=${filter})
        regroup_suite_properties(${driver}.${layer}.${suite} ${layer} ${driver})
      endif()
      # The kernels for subgroups of 16, which lavapipe has when it is told to use 512-bit vectors (on any processor).
      if(REGROUP_${upper}_ICD AND driver STREQUAL "lavapipe" AND layer STREQUAL "ops" AND suite MATCHES "^(Linear|Attention)")
        set(name ${driver}-512.${layer}.${suite})
        add_test(${name} ${program} --gtest_filter=${filter})
        regroup_suite_properties(${name} ${layer} ${driver} "LP_NATIVE_VECTOR_WIDTH=512")
      endif()
    endforeach()
  endforeach()
endfunction()

# A driver that is not there stands in the list of tests, as skipped, in place of its half.
foreach(driver IN LISTS REGROUP_TEST_DRIVERS)
  string(TOUPPER ${driver} upper)
  if(NOT REGROUP_${upper}_ICD)
    set(text "SKIPPED: the Vulkan driver ${driver} was not found, so half of the device tests did not run (tools/install_dependencies.sh --tests)")
    message("*** ${text} ***")
    add_test(${driver}.MISSING ${CMAKE_COMMAND} -E echo ${text})
    set_tests_properties(${driver}.MISSING PROPERTIES SKIP_REGULAR_EXPRESSION "SKIPPED" LABELS ${driver})
  endif()
endforeach()
