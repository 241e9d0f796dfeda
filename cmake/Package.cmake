# `cpack -G DEB` (or TGZ) in a build folder: one package with programs, library and headers. Which libraries of the
# system it depends on is read out of the programs by dpkg-shlibdeps.
set(CPACK_PACKAGE_NAME regroup)
set(CPACK_PACKAGE_VENDOR "the regroup authors")
set(CPACK_PACKAGE_CONTACT "the regroup authors <regroup@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "grouped-query attention on any Vulkan GPU")
set(CPACK_PACKAGE_DESCRIPTION
    "Loads a transformer checkpoint, merges its key/value heads into as few groups\nas you ask for, and decodes with Vulkan compute shaders. With a converter,\na viewer and a C library.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Makes dpkg run ldconfig, so that libregroup is found.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "mesa-vulkan-drivers | vulkan-icd, fonts-dejavu-core")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "python3")
# Same modes whatever umask the build had.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
include(CPack)
