#!/bin/sh
# Fuzzes every reader of files and text that come from outside, for so many seconds each, under the address and undefined-behaviour sanitizers.
# usage: tools/fuzz.sh SECONDS [TARGET...]     as tools/fuzz.sh 60 gguf chat_template; needs Clang (Debian: clang-16 libclang-rt-16-dev)
# What it finds in passing is kept in build/fuzz/corpus/TARGET for the next time. An input that breaks something is left in
# build/fuzz/crashes/TARGET-*, and the script fails; once repaired it belongs into tests/data/fuzz/TARGET, which the tests replay.
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
  "" | *[!0-9]*) echo "usage: tools/fuzz.sh SECONDS [TARGET...]" >&2; exit 2 ;;
esac
seconds=$1
shift
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz

[ $# -gt 0 ] || set -- $(cd build/fuzz/bin && ls | sed -n 's/^fuzz_//p')
mkdir -p build/fuzz/crashes
failed=""
for target in "$@"; do
  mkdir -p "build/fuzz/corpus/$target"
  log=build/fuzz/$target.log
  dictionary=""
  [ ! -f "tests/fuzz/$target.dict" ] || dictionary=-dict=tests/fuzz/$target.dict
  # 10 s for one input is a hang: the readers refuse in milliseconds.
  if "build/fuzz/bin/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 -max_len=65536 \
      -artifact_prefix="build/fuzz/crashes/$target-" $dictionary -print_final_stats=1 "build/fuzz/corpus/$target" "tests/data/fuzz/$target" \
      >"$log" 2>&1; then
    echo "$target: nothing found; $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
  else
    failed="$failed $target"
    tail -n 40 "$log"
    echo "$target: FAILED, see above and build/fuzz/crashes"
  fi
done
[ -z "$failed" ]
