#!/bin/sh
# Makes the README's pictures of regroup-view, without a display: assets/screenshots/*.png.
# usage: tools/make_screenshots.sh [path of regroup-view]      (default: build/release/bin/regroup-view)
set -eu
cd "$(dirname "$0")/.."
viewer=${1:-build/release/bin/regroup-view}
out=assets/screenshots
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p $out

cat > "$work/live.json" <<EOF
[{"sampling": {"temperature": 0.7, "top_p": 0.9, "min_p": 0.05, "seed": 7}}, {"method": "svd"},
 {"prompt": "The little girl opened the door"},
 {"run": 110}, {"pin": true}, {"reset": true},
 {"run": 50}, {"groups": 4}, {"run": 50}, {"groups": 2}, {"run": 60},
 {"measure": 7}, {"attention_layer": 1}, {"layer": 1, "head": 1}, {"dismiss": true},
 {"screenshot": "$out/viewer.png"}]
EOF
cat > "$work/memory.json" <<EOF
[{"sampling": {"temperature": 0}}, {"theme": "light"}, {"preset": "memory"}, {"cache": "f16", "positions": 256},
 {"prompt": "Once upon a time there was a king who"}, {"method": "align"},
 {"run": 60}, {"per_layer": true}, {"groups": [8, 4, 2, 1]}, {"run": 90}, {"layer": 1}, {"dismiss": true},
 {"screenshot": "$out/memory.png"}]
EOF
cat > "$work/compare.json" <<EOF
[{"sampling": {"temperature": 0}}, {"fingerprints": true},
 {"prompt": "The little girl opened the door"}, {"run": 60}, {"save_trace": "$work/G-8.json"},
 {"reset": true}, {"groups": 4}, {"run": 60},
 {"preset": "compare"}, {"trace": "$work/G-8.json", "compare": true}, {"dismiss": true},
 {"screenshot": "$out/compare.png"}]
EOF
"$viewer" --headless --size 1600x1000 --script "$work/live.json"
"$viewer" --headless --size 1280x800 --script "$work/memory.json"
"$viewer" --headless --size 1280x800 --script "$work/compare.json"
ls -l $out
