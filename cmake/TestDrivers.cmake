# Finds the two Vulkan drivers that the tests run on: Mesa's lavapipe and SwiftShader, which comes inside Chromium. Each is a cache variable
# with the path of the driver's manifest; a missing one is looked for again at every configure.
set(REGROUP_TEST_DRIVERS lavapipe swiftshader)

# regroup_find_driver(<cache variable> <what it is> <glob>...)
function(regroup_find_driver variable what)
  set(${variable} "" CACHE FILEPATH "Manifest (.json) of ${what} that the tests run on")
  if(${variable} AND EXISTS ${${variable}})
    return()
  endif()
  if(${variable})
    message(WARNING "${variable} names ${${variable}}, which does not exist; looking for another")
  endif()
  file(GLOB found ${ARGN})
  list(SORT found)
  list(APPEND found "")
  list(GET found 0 first)
  set_property(CACHE ${variable} PROPERTY VALUE "${first}")
endfunction()

regroup_find_driver(REGROUP_LAVAPIPE_ICD "Mesa's lavapipe" /usr/share/vulkan/icd.d/lvp_icd*.json /usr/local/share/vulkan/icd.d/lvp_icd*.json
                    /etc/vulkan/icd.d/lvp_icd*.json)
regroup_find_driver(REGROUP_SWIFTSHADER_ICD "SwiftShader" /usr/lib/chromium/vk_swiftshader_icd.json /usr/lib64/chromium/vk_swiftshader_icd.json
                    /usr/lib/chromium-browser/vk_swiftshader_icd.json /usr/lib64/chromium-browser/vk_swiftshader_icd.json)

foreach(driver IN LISTS REGROUP_TEST_DRIVERS)
  string(TOUPPER ${driver} upper)
  if(NOT REGROUP_${upper}_ICD)
    message(WARNING "\n"
      "*** HALF OF THE DEVICE TESTS WILL BE SKIPPED: the Vulkan driver ${driver} was not found. ***\n"
      "Run  sh tools/install_dependencies.sh --tests  and configure again, or name its manifest: -DREGROUP_${upper}_ICD=/path/to/icd.json")
  else()
    message(STATUS "regroup: tests run on ${driver}: ${REGROUP_${upper}_ICD}")
  endif()
endforeach()
