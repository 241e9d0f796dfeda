#!/bin/sh
# Fuzzes every reader of files and text that come from outside, under the address and undefined-behaviour sanitizers.
# usage: tools/fuzz.sh SECONDS [TARGET...]     new inputs, so many seconds for each target, as tools/fuzz.sh 60 gguf chat_template
#        tools/fuzz.sh --repeat [TARGET...]    the same inputs every time, about a minute for each target: what the workflow on GitHub runs
# Needs Clang (sh tools/install_dependencies.sh --fuzz). As many targets run at once as there are processors; JOBS=1 changes that.
# What the first form finds in passing is kept in build/fuzz/corpus/TARGET for the next time. An input that breaks something is left in
# build/fuzz/crashes/TARGET-*, and the script fails; once repaired it belongs into tests/data/fuzz/TARGET, which the tests replay.
set -eu
cd "$(dirname "$0")/.."

usage() { sed -n 's/^# usage: /usage: /p; s/^#        tools/       tools/p' tools/fuzz.sh >&2; exit 2; }

# How many inputs take about a minute (two virtual cores).
runs_of() {
  case "$1" in
    chat_template | tokenizer_json) echo 60000 ;;
    config | gguf) echo 350000 ;;
    pipeline_cache) echo 30000000 ;;
    safetensors) echo 700000 ;;
    sentencepiece | trace) echo 900000 ;;
    text) echo 2500 ;;
    *) echo 100000 ;;
  esac
}

fuzz_one() {
  target=$1
  limit=$2
  log=build/fuzz/$target.log
  corpus=build/fuzz/corpus/$target
  if [ "$limit" = --repeat ]; then
    limit="-seed=1 -runs=$(runs_of "$target")"
    corpus=build/fuzz/repeated/$target
    rm -rf "$corpus"
  else
    limit=-max_total_time=$limit
  fi
  mkdir -p "$corpus"
  dictionary=""
  [ ! -f "tests/fuzz/$target.dict" ] || dictionary=-dict=tests/fuzz/$target.dict
  # Where every address is random the sanitizers of Clang 16 do not always find room for their tables.
  fixed=""
  ! setarch -R true 2>/dev/null || fixed="setarch -R"
  # Readers refuse in milliseconds; this long for one input is a hang, on a busy machine too.
  begin=$(date +%s)
  if $fixed "build/fuzz/bin/fuzz_$target" $limit -timeout=300 -rss_limit_mb=2048 -malloc_limit_mb=512 -max_len=65536 \
      -artifact_prefix="build/fuzz/crashes/$target-" $dictionary -print_final_stats=1 "$corpus" "tests/data/fuzz/$target" >"$log" 2>&1; then
    echo "$target: nothing found; $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, $(($(date +%s) - begin)) s"
  else
    tail -n 40 "$log"
    echo "$target: FAILED, see above and build/fuzz/crashes"
    return 1
  fi
}

case "${1:-}" in
  --one) fuzz_one "$2" "$3"; exit ;;
  --repeat) ;;
  "" | *[!0-9]*) usage ;;
esac
limit=$1
shift
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz

[ $# -gt 0 ] || set -- $(cd build/fuzz/bin && ls | sed -n 's/^fuzz_//p')
mkdir -p build/fuzz/crashes
printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -I TARGET sh tools/fuzz.sh --one TARGET "$limit"
