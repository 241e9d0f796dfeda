#!/bin/sh
# Prints the benchmark report as Markdown: this machine, every Vulkan driver found on it, regroup's figures and llama.cpp's from the same run.
# usage: tools/benchmark_report.sh [-m MODEL] [-p PROMPT] [-n TOKENS] [-r REPETITIONS] [--build DIR] [--llama-bench PROGRAM] [--drivers "a.json b.json"]
#   -m  what regroup calls a model, a .gguf file where llama.cpp is to be compared (default: smollm2-135m)
#   --llama-bench  llama.cpp's benchmark, built with Vulkan; default: the one on the PATH or below /opt/llama, none if there is none
#   --drivers      ICD manifests; default: those of lavapipe and SwiftShader that are here, and the system's own choice where it has a GPU
# Ratios are only formed between figures of one call, one after the other on the same driver. Environment: LP_NUM_THREADS is passed on.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
model=smollm2-135m prompt=64 tokens=16 repetitions=3 build="" llama="" drivers="" drivers_given=no
while [ $# -gt 0 ]; do
  case "$1" in
    -m) model=$2 ;;
    -p) prompt=$2 ;;
    -n) tokens=$2 ;;
    -r) repetitions=$2 ;;
    --build) build=$2 ;;
    --llama-bench) llama=$2 ;;
    --drivers) drivers=$2 drivers_given=yes ;;
    *) sed -n '3,6s/^# //p' "$0" >&2; exit 2 ;;
  esac
  shift 2
done

regroup=""
for candidate in ${build:+"$build/bin/regroup"} "$here/build/release/bin/regroup" "$here/build/ci/bin/regroup"; do
  if [ -x "$candidate" ]; then regroup=$candidate; break; fi
done
if [ -z "$regroup" ]; then
  echo "benchmark_report.sh: no regroup program found; build it, or name its build folder with --build" >&2
  exit 1
fi
if [ -z "$llama" ]; then
  for candidate in "$(command -v llama-bench || true)" /opt/llama/build/bin/llama-bench; do
    if [ -n "$candidate" ] && [ -x "$candidate" ]; then llama=$candidate; break; fi
  done
fi
if [ "$drivers_given" = no ]; then
  for manifest in /usr/share/vulkan/icd.d/lvp_icd.*.json /usr/lib/chromium/vk_swiftshader_icd.json; do
    [ -e "$manifest" ] && drivers="$drivers $manifest"
  done
  # The system's own choice, where that is not a CPU driver.
  if "$regroup" devices --json 2>/dev/null | grep -q '"type":"\(discrete\|integrated\)'; then drivers="default $drivers"; fi
fi

# The value of a number or string field of one JSON line.
field() {
  printf '%s\n' "$1" | sed -n -e "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p;t" -e "s/.*\"$2\": *\([^,}]*\).*/\1/p"
}
# A quotient with two digits, or nothing where a figure is missing.
ratio() { awk -v a="${1:-0}" -v b="${2:-0}" 'BEGIN { if (a > 0 && b > 0) printf "%.2f x", a / b; else printf "-" }'; }
two_digits() { awk -v a="${1:-0}" 'BEGIN { if (a > 0) printf "%.2f", a; else printf "-" }'; }
# llama-bench's average of a test: LINES n_prompt n_gen
average() {
  printf '%s\n' "$1" | while IFS= read -r line; do
    if [ "$(field "$line" n_prompt)" = "$2" ] && [ "$(field "$line" n_gen)" = "$3" ]; then field "$line" avg_ts; fi
  done | head -n 1
}

processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
echo "**Machine**: ${processor:-unknown processor}, $(nproc) threads, load average $(cut -d ' ' -f 1 /proc/loadavg 2>/dev/null || echo '?') before the run; $(uname -sr)."
echo "**Test**: $model, prompt of $prompt tokens (pp$prompt), $tokens generated tokens (tg$tokens), mean of $repetitions repetitions, tokens per second."
echo
echo "| driver | test | regroup | llama.cpp, Vulkan | ratio | of copy bandwidth | KV cache |"
echo "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
file=""
for manifest in $drivers; do
  if [ "$manifest" != default ]; then
    VK_ICD_FILENAMES=$manifest VK_DRIVER_FILES=$manifest
    export VK_ICD_FILENAMES VK_DRIVER_FILES
  else
    unset VK_ICD_FILENAMES VK_DRIVER_FILES
  fi
  if ! ours=$("$regroup" bench -q -m "$model" -p "$prompt" -n "$tokens" -r "$repetitions" -o jsonl); then
    echo "| $manifest | regroup failed | - | - | - | - | - |"
    continue
  fi
  file=$(field "$(printf '%s\n' "$ours" | head -n 1)" model_filename)
  theirs=""
  if [ -n "$llama" ] && [ "${file##*.}" = gguf ]; then
    # A CPU driver must be named to llama.cpp, and is refused where it lacks a feature.
    theirs=$(GGML_VK_VISIBLE_DEVICES=0 "$llama" -m "$file" -ngl 99 -p "$prompt" -n "$tokens" -r "$repetitions" -o jsonl 2>/dev/null) || theirs=""
  fi
  printf '%s\n' "$ours" | while IFS= read -r line; do
    p=$(field "$line" n_prompt) n=$(field "$line" n_gen) speed=$(field "$line" avg_ts)
    if [ "$p" != 0 ]; then test="pp$p"; else test="tg$n"; fi
    other=$(average "$theirs" "$p" "$n")
    share=$(awk -v f="$(field "$line" bandwidth_fraction)" 'BEGIN { if (f > 0) printf "%.0f %%", 100 * f; else printf "-" }')
    echo "| $(field "$line" gpu_info) | $test | $(two_digits "$speed") | $(two_digits "$other") | $(ratio "$speed" "$other") | $share | $(field "$line" kv_bytes) B |"
  done
done
echo
if [ -z "$llama" ]; then
  echo "llama.cpp was not found: its columns are empty. Name its benchmark with --llama-bench."
elif [ "${file##*.}" = gguf ]; then
  threads=${LP_NUM_THREADS:-$(nproc)}
  [ "$threads" -gt 0 ] || threads=1
  cpu=$("$llama" -m "$file" -ngl 0 -dev none -t "$threads" -p "$prompt" -n "$tokens" -r "$repetitions" -o jsonl 2>/dev/null) || cpu=""
  echo "llama.cpp's own CPU backend with $threads threads, in the same run: pp$prompt $(two_digits "$(average "$cpu" "$prompt" 0)"), tg$tokens $(two_digits "$(average "$cpu" 0 "$tokens")") tokens per second."
fi
