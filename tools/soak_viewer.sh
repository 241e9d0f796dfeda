#!/bin/sh
# Turns the viewer's knobs at random while it decodes, under the validation layers, and fails on a validation message, a
# failed command, a hang, or memory that grows.
# usage: tools/soak_viewer.sh [rounds, default 60: about ten minutes on two slow cores] [path of regroup-view]
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-60}
viewer=${2:-build/release/bin/regroup-view}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -v rounds="$rounds" 'BEGIN {
  srand(20)
  split("8 4 2 1", g, " "); split("mean first random", method, " "); split("pool recompute", mode, " ")
  split("dark light high-contrast", theme, " "); split("live memory compare", preset, " "); split("f16 f32 q8_0", cache, " ")
  print "[{\"sampling\": {\"temperature\": 0.8, \"seed\": 3}}"
  for (r = 1; r <= rounds; ++r) {
    print ",{\"prompt\": \"Once upon a time there was a king who\"}, {\"start\": 24}"
    for (i = 0; i < 6; ++i) {
      k = int(rand() * 9)
      if (k < 4) printf ",{\"groups\": %d, \"wait\": false}", g[1 + int(rand() * 4)]
      else if (k == 4) printf ",{\"mode\": \"%s\"}, {\"start\": 12}", mode[1 + int(rand() * 2)]
      else if (k == 5) printf ",{\"attention_layer\": %d}, {\"start\": 12}", int(rand() * 4)
      else if (k == 6) printf ",{\"theme\": \"%s\"}", theme[1 + int(rand() * 3)]
      else if (k == 7) printf ",{\"preset\": \"%s\"}", preset[1 + int(rand() * 3)]
      else printf ",{\"quality\": %s}, {\"start\": 12}", rand() < 0.5 ? "true" : "false"
      printf ",{\"frames\": %d}\n", 1 + int(rand() * 4)
    }
    if (r % 5 == 0) printf ",{\"method\": \"%s\"}, {\"cache\": \"%s\"}, {\"zoom\": %.1f}\n", method[1 + int(rand() * 3)], cache[1 + int(rand() * 3)], 1 + rand()
    if (r % 10 == 0) print ",{\"size\": [" 640 + int(rand() * 600) "," 480 + int(rand() * 400) "]}"
    if (r % 15 == 0) print ",{\"lose_device\": true}"
    print ",{\"stop\": true}, {\"wait\": \"idle\"}, {\"report\": " r "}"
  }
  print "]"
}' > "$work/steps.json"

"$viewer" --headless --validate --json --size 960x640 --script "$work/steps.json" > "$work/report.json"
python3 - "$work/report.json" <<'EOF'
import json, sys
report = json.load(open(sys.argv[1]))
rounds = report["reports"]
errors = [r["message"] for r in rounds if r["message_is_error"]]
half = rounds[len(rounds) // 2:]
first, last = max(r["resident_bytes"] for r in rounds[:len(rounds) // 2]), max(r["resident_bytes"] for r in half)
print(f"{len(rounds)} rounds, {report['frames']['count']} frames, p50 {report['frames']['p50_ms']:.0f} ms, "
      f"p99 {report['frames']['p99_ms']:.0f} ms; resident {first / 2**20:.0f} MiB in the first half, {last / 2**20:.0f} MiB in the second; "
      f"{len(report['validation_messages'])} validation messages, device rebuilt {report['device_rebuilt']} times")
if report["validation_messages"] or errors:
    sys.exit(f"failed: {report['validation_messages'][:3]} {errors[:3]}")
if last > first * 1.15 + 2**24:
    sys.exit("failed: memory grows")
EOF
