#!/bin/sh
# Installs what building and running regroup needs, on Debian 12 and newer or Ubuntu 24.04 and newer, as root or with sudo, asking nothing.
# usage: tools/install_dependencies.sh [--tests] [--fuzz] [--window]
#   --tests  also what the tests need: GoogleTest, the validation layers, and SwiftShader, the second Vulkan driver, out of Debian's Chromium
#   --fuzz   also what tools/fuzz.sh needs: Clang with its sanitizers and libFuzzer
#   --window also what tools/drive_window.sh and tools/check_window.sh need: a virtual display, its keys, a window manager
# Does nothing, and at once, when everything is there.
set -eu

build="g++ cmake ninja-build pkg-config glslc libvulkan-dev mesa-vulkan-drivers libfmt-dev nlohmann-json3-dev libcli11-dev libpcre2-dev libxxhash-dev libeigen3-dev libimgui-dev libglfw3-dev libstb-dev fonts-dejavu-core"
tests="libgtest-dev vulkan-validationlayers python3"
window="xvfb xdotool openbox python3 python3-xlib"
fuzz="clang-16 libclang-rt-16-dev"
# Debian's Chromium keeps SwiftShader in this part of it, without the browser and its libraries.
swiftshader="chromium-common"
swiftshader_manifest="/usr/lib/chromium/vk_swiftshader_icd.json"

say() { echo "install_dependencies.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

wanted=$build
with_tests=no
for option in "$@"; do
  case "$option" in
    --tests) with_tests=yes; wanted="$wanted $tests" ;;
    --fuzz) wanted="$wanted $fuzz" ;;
    --window) wanted="$wanted $window" ;;
    *) echo "usage: tools/install_dependencies.sh [--tests] [--fuzz] [--window]" >&2; exit 2 ;;
  esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  fail "knows only Debian and Ubuntu; elsewhere install by hand, then run the rest of the command: a C++20 compiler, CMake 3.24, Ninja," \
    "pkg-config, glslc (shaderc), the Vulkan loader with headers, a Vulkan driver, fmt, nlohmann-json, CLI11, PCRE2, xxHash, Eigen, Dear ImGui 1.86 with its backends, GLFW 3.3, stb, the DejaVu fonts; for the tests" \
    "GoogleTest, the Khronos validation layers, Python 3, Mesa's lavapipe, and SwiftShader (-DREGROUP_SWIFTSHADER_ICD=its vk_swiftshader_icd.json)"
fi

# The packages among the arguments that are not installed.
missing_of() {
  for package in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null || true)
    case "$status" in *not-installed* | "") echo "$package" ;; *installed*) ;; *) echo "$package" ;; esac
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "needs root or sudo to install:" $missing
  fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes LC_ALL=C.UTF-8 apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
    -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null
}

updated=no
update_once() {
  if [ $updated = no ]; then
    # One unreachable repository of many need not matter.
    apt update || say "apt-get update had problems; going on with the package lists at hand"
    updated=yes
  fi
}

# install_packages PACKAGE...: those that are missing.
install_packages() {
  missing=$(missing_of "$@")
  if [ -n "$missing" ]; then
    say "installing" $missing
    update_once
    apt install -y --no-install-recommends $missing
  fi
}

install_packages $wanted ||
  fail "apt-get could not install the packages above (Debian 12 or Ubuntu 24.04 and newer have them all)"

if [ $with_tests = yes ] && [ ! -e $swiftshader_manifest ]; then
  # Ubuntu has no Chromium package; the tests then run on lavapipe alone, and say so.
  install_packages $swiftshader || true
  if [ ! -e $swiftshader_manifest ]; then
    say "WARNING: no package of this system brings SwiftShader ($swiftshader_manifest); its half of the device tests will be SKIPPED"
  fi
fi
