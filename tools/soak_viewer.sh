#!/bin/sh
# Turns the viewer's knobs at random while it decodes, and fails on a validation message, a failed command, a hang, or
# memory that grows. The program is copied first: a build beside it does no harm.
# usage: tools/soak_viewer.sh [seconds, default 600] [path of regroup-view] [further options, as --validate]
# SOAK_REPORT=FILE in the environment keeps the program's own report.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-600}
viewer=${2:-build/release/bin/regroup-view}
[ $# -lt 2 ] || shift
[ $# -lt 1 ] || shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$viewer" "$work/regroup-view"
model=$(realpath assets/regroup-3m.gguf)
cd "$work"

# More rounds than there is time for: --seconds ends the script behind the round that is under way. Every round ends at
# the same point (same G, method, cache, size, zoom, prompt and number of tokens), where memory is compared.
# Kernels are compiled when they are first needed and stay until the device goes: a tour at the start, and behind every
# lost device, needs all of them, so that what comes later must fit into what is there.
awk '
function tour(   c, i) {
  print ",{\"reset\": true}, {\"method\": \"mean\"}, {\"mode\": \"recompute\"}, {\"quality\": true}"
  for (c = 1; c <= 3; ++c) {
    printf ",{\"groups\": 8}, {\"cache\": \"%s\"}, {\"prompt\": \"Once upon a time there was a king who\"}, {\"run\": 3}\n", cache[c]
    print ",{\"mode\": \"recompute\"}, {\"groups\": 4}, {\"run\": 2}, {\"groups\": 2}, {\"run\": 2}, {\"groups\": 1}, {\"run\": 2}"
    print ",{\"groups\": 8}, {\"mode\": \"pool\"}, {\"groups\": 4}, {\"groups\": 2}, {\"groups\": 1}, {\"run\": 1}"
  }
  for (i = 2; i <= 5; ++i) printf ",{\"groups\": 2}, {\"method\": \"%s\"}, {\"run\": 2}\n", method[i]
  print ",{\"measure\": 1}"
}
BEGIN {
  srand(20)
  split("8 4 2 1", g, " "); split("mean first random mean-norm align", method, " "); split("pool recompute", mode, " ")
  split("dark light high-contrast", theme, " "); split("live memory compare", preset, " "); split("f16 f32 q8_0", cache, " ")
  split("t l f k f1 i space left right ctrl+= ctrl+- ctrl+0", keys, " ")
  print "[{\"sampling\": {\"temperature\": 0.8, \"seed\": 3}}"
  tour()
  for (r = 1; r <= 2000; ++r) {
    if (r % 3 == 0) printf ",{\"method\": \"%s\"}, {\"cache\": \"%s\"}, {\"zoom\": %.1f}\n", method[1 + int(rand() * 5)], cache[1 + int(rand() * 3)], 1 + rand()
    print ",{\"prompt\": \"Once upon a time there was a king who\"}, {\"start\": 24}"
    for (i = 0; i < 8; ++i) {
      k = int(rand() * 12)
      if (k < 4) printf ",{\"groups\": %d, \"wait\": false}", g[1 + int(rand() * 4)]
      else if (k == 4) printf ",{\"mode\": \"%s\"}, {\"start\": 12}", mode[1 + int(rand() * 2)]
      else if (k == 5) printf ",{\"attention_layer\": %d}, {\"start\": 12}", int(rand() * 4)
      else if (k == 6) printf ",{\"theme\": \"%s\"}", theme[1 + int(rand() * 3)]
      else if (k == 7) printf ",{\"preset\": \"%s\"}", preset[1 + int(rand() * 3)]
      else if (k == 8) printf ",{\"quality\": %s}, {\"start\": 12}", rand() < 0.5 ? "true" : "false"
      else if (k == 9) printf ",{\"click\": [%d, %d]}", 20 + int(rand() * 900), 60 + int(rand() * 560)
      else printf ",{\"key\": \"%s\"}", keys[1 + int(rand() * 12)]
      printf ",{\"frames\": %d}\n", 1 + int(rand() * 4)
    }
    print ",{\"key\": \"escape\"}, {\"key\": \"escape\"}, {\"stop\": true}, {\"wait\": \"idle\"}"
    if (r % 7 == 0) print ",{\"run\": 8}, {\"measure\": 1}"
    if (r % 10 == 0) print ",{\"size\": [" 640 + int(rand() * 600) "," 480 + int(rand() * 400) "]}, {\"frames\": 2}"
    if (r % 15 == 10) { print ",{\"lose_device\": true}"; tour() }
    print ",{\"sampling\": {\"temperature\": 0.8, \"seed\": 3}}"
    print ",{\"reset\": true}, {\"groups\": 8}, {\"method\": \"mean\"}, {\"cache\": \"f16\"}, {\"mode\": \"recompute\"}, {\"quality\": true}"
    print ",{\"pin\": false}, {\"enlarge\": \"\"}, {\"preset\": \"live\"}, {\"theme\": \"dark\"}, {\"zoom\": 1.0}, {\"size\": [960, 640]}, {\"dismiss\": true}"
    print ",{\"prompt\": \"Once upon a time there was a king who\"}, {\"attention_layer\": 0}, {\"run\": 12}, {\"groups\": 2}, {\"run\": 12}"
    print ",{\"report\": " r ", \"only\": [\"resident_bytes\", \"heap_bytes\", \"freed_bytes\", \"compiled_bytes\", \"device_bytes\"]}"
  }
  print "]"
}' > "$work/steps.json"

"$work/regroup-view" --headless "$@" --model "$model" --json --size 960x640 --script "$work/steps.json" --seconds "$seconds" \
  > "$work/report.json"
[ -z "${SOAK_REPORT:-}" ] || cp "$work/report.json" "$SOAK_REPORT"
python3 - "$work/report.json" <<'PYTHON'
import json, sys
report = json.load(open(sys.argv[1]))
rounds = report["reports"]
if len(rounds) < 8:
    sys.exit(f"failed: only {len(rounds)} rounds; give it more time")
# Keys come at any time: what cannot be done then is said, and is no failure.
errors = [e for e in report["errors"] if not e.startswith(("There is no run to pin", "G = "))]
# The first quarter warms up: fonts of every size, what was left uncompiled by the tour. Behind it a line is laid through
# what the rounds found resident and in use at their end: neither may rise by more than a twentieth from its begin to its end.
def line(key):
    values = [r[key] / 2**20 for r in rounds[len(rounds) // 4:]]
    n = len(values)
    mean_x, mean = (n - 1) / 2, sum(values) / n
    slope = sum((x - mean_x) * (y - mean) for x, y in enumerate(values)) / sum((x - mean_x) ** 2 for x in range(n))
    return values, slope * (n - 1), mean
kept, kept_rise, kept_mean = line("resident_bytes")
used, used_rise, used_mean = line("heap_bytes")
frames, keys = report["frames"], report["input"]
print(f"{len(rounds)} rounds in {report['seconds']:.0f} s on {report['device']}: {frames['count']} frames, "
      f"p50 {frames['p50_ms']:.0f} ms, p99 {frames['p99_ms']:.0f} ms, largest {frames['max_ms']:.0f} ms; "
      f"{keys['count']} answers to input, p50 {keys['p50_ms']:.0f} ms, p99 {keys['p99_ms']:.0f} ms; "
      f"behind the warm-up in use {min(used):.0f} to {max(used):.0f} MiB (a line through it rises by {used_rise:.1f}), "
      f"resident {min(kept):.0f} to {max(kept):.0f} MiB (rises by {kept_rise:.1f}); "
      f"{len(report['validation_messages'])} validation messages, device rebuilt {report['device_rebuilt']} times")
if report["validation_messages"] or errors:
    sys.exit(f"failed: {report['validation_messages'][:3]} {errors[:3]}")
if kept_rise > 0.05 * kept_mean or used_rise > 0.05 * used_mean:
    sys.exit("failed: memory grows")
PYTHON
