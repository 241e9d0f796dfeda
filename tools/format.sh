#!/bin/sh
# Formats the tracked C++ files with clang-format 14.   usage: tools/format.sh [--check]
# --check changes nothing: it names the lines that would change and fails.
set -eu
cd "$(dirname "$0")/.."

formatter=$(command -v clang-format-14 || true)
if [ -z "$formatter" ]; then
  echo "tools/format.sh: clang-format-14 is not installed (Debian: apt-get install clang-format-14)" >&2
  exit 1
fi
case "${1:-}" in
  "") options="-i" ;;
  --check) options="--dry-run --Werror" ;;
  *) echo "usage: tools/format.sh [--check]" >&2; exit 2 ;;
esac
# The contracts below shaders/ are GLSL as well as C++ and are laid out by hand.
git ls-files -z '*.cpp' '*.h' ':!shaders/' | xargs -0 "$formatter" $options
