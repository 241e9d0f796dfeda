#!/bin/sh
# Drives a real window of regroup-view with real key and mouse events on a virtual display, and leaves pictures of what it
# showed. Needs xvfb, xdotool and python3.   usage: tools/drive_window.sh [path of regroup-view] [folder for pictures]
set -eu
viewer=$(realpath "${1:-build/release/bin/regroup-view}")
out=$(realpath -m "${2:-build/window}")
model=$(realpath "$(dirname "$0")/../assets/regroup-3m.gguf")
mkdir -p "$out"
work=$(mktemp -d)
display=:$((70 + $$ % 20))
Xvfb $display -screen 0 1700x1100x24 -nolisten tcp >/dev/null 2>&1 &
xvfb=$!
viewer_pid=
finish() {
  [ -z "$viewer_pid" ] || kill "$viewer_pid" 2>/dev/null || true
  kill $xvfb 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
export DISPLAY=$display XDG_CONFIG_HOME="$work/config"
fail() { echo "drive_window.sh: FAILED: $*" >&2; exit 1; }

cd "$out"
rm -f regroup-*.png trace.json
sleep 1
"$viewer" --validate --model "$model" 2>"$work/stderr" &
viewer_pid=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --name '^regroup$' | head -1)
[ -n "$window" ] || fail "no window appeared"
sleep 6
key() { xdotool key --window "$window" "$@"; sleep "${pause:-1}"; }
# A busy machine may take a while to show a key's effect.
picture() {
  key F12
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    newest=$(ls -t regroup-*.png 2>/dev/null | head -1)
    if [ -n "$newest" ]; then mv "$newest" "$1"; return; fi
    sleep 1
  done
  fail "F12 saved no picture: $(cat "$work/stderr")"
}

xdotool windowfocus "$window" 2>/dev/null || true
key p
key ctrl+a
xdotool type --window "$window" --delay 30 "Once upon a time there was a fox"
pause=8 key Return          # runs; the cursor leaves the field with Escape
key 4
sleep 3
pause=5 key 2
picture 1-running.png
key F1
picture 2-keys.png
key F1
key t
picture 3-light.png
key ctrl+plus
key ctrl+plus
picture 4-zoomed.png
key ctrl+0
xdotool windowsize "$window" 1100 760
sleep 2
picture 5-resized.png
xdotool mousemove --window "$window" 300 250
sleep 2
key f
picture 6-enlarged.png
key f
key ctrl+s
sleep 2
[ -s trace.json ] || fail "Ctrl S saved no trace"
# Idle: a second of wall time must cost (nearly) no processor time.
key Escape
sleep 4
ticks() { awk '{print $14 + $15}' "/proc/$viewer_pid/stat"; }
before=$(ticks); sleep 5; after=$(ticks)
echo "idle: $((after - before)) of 500 ticks of processor time in 5 s"
[ $((after - before)) -lt 25 ] || fail "an idle window uses the processor"
key ctrl+q
sleep 3
! kill -0 "$viewer_pid" 2>/dev/null || fail "Ctrl Q did not end it"
wait "$viewer_pid" || fail "it ended with an error"
viewer_pid=
[ -s "$XDG_CONFIG_HOME/regroup/view.json" ] || fail "the layout was not remembered"
python3 - trace.json <<'EOF'
import json, sys
trace = json.load(open(sys.argv[1]))
groups = [g["groups"][0] for g in trace["groupings"]]
tokens = [t for t in trace["tokens"] if not t.get("prompt")]
text = "".join(t["text"] for t in trace["tokens"])
assert "fox" in text, text
assert groups[0] == 8 and groups[-1] == 2, groups
print(f"{len(tokens)} tokens, G {groups}: {text!r}")
EOF
ls "$out"
