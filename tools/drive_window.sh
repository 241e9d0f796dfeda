#!/bin/sh
# Drives a real window of regroup-view with real key and mouse events on a virtual display: decodes while keys and clicks
# come, turns G, resizes, minimises, zooms, idles, and leaves pictures of what it showed and the program's own report.
# tools/install_dependencies.sh --window installs what it needs.  usage: tools/drive_window.sh [path of regroup-view] [folder for pictures] [model]
set -eu
viewer=$(realpath "${1:-build/release/bin/regroup-view}")
out=$(realpath -m "${2:-build/window}")
model=$(realpath "${3:-$(dirname "$0")/../assets/regroup-3m.gguf}")
mkdir -p "$out"
work=$(mktemp -d)
display=:$((70 + $$ % 20))
Xvfb $display -screen 0 1700x1100x24 -nolisten tcp >/dev/null 2>&1 &
xvfb=$!
viewer_pid=
manager=
finish() {
  [ -z "$manager" ] || kill "$manager" 2>/dev/null || true
  [ -z "$viewer_pid" ] || kill "$viewer_pid" 2>/dev/null || true
  kill $xvfb 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
export DISPLAY=$display XDG_CONFIG_HOME="$work/config"
fail() { echo "drive_window.sh: FAILED: $*" >&2; exit 1; }

cd "$out"
rm -f regroup-*.png regroup-2*.json trace.json report.json
sleep 1
# Windows are minimised by a window manager.
if command -v openbox >/dev/null; then
  openbox >/dev/null 2>&1 &
  manager=$!
  sleep 1
fi
"$viewer" --json --model "$model" >report.json 2>"$work/stderr" &
viewer_pid=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --name '^regroup$' | head -1)
[ -n "$window" ] || fail "no window appeared"
sleep 4
key() { xdotool key --window "$window" "$@"; sleep "${pause:-0.3}"; }
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
pause=2 key Return          # runs; the cursor leaves the field with Escape
# While tokens stream: keys, clicks and the wheel, of which the program measures how soon it answers.
for round in 1 2 3 4 5 6 7 8; do
  key 1
  key t
  key F1
  key F1
  xdotool mousemove --window "$window" $((250 + round * 60)) 260 click 1; sleep 0.3
  xdotool click 4; sleep 0.3
  key l
  key 8; key 3               # whichever the model has
done
key t; key t                # dark again after 8 turns
key space                   # goes on, should it have come to its end
pause=3 key 1
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
xdotool windowsize "$window" 520 400
sleep 2
picture 5-small.png
xdotool windowsize "$window" 1100 760
sleep 2
picture 6-resized.png
xdotool mousemove --window "$window" 300 250
sleep 2
key f
picture 7-enlarged.png
key f
# Out of sight while it decodes: nothing is drawn.
key space
if [ -n "$manager" ]; then xdotool windowminimize "$window"; else xdotool windowunmap "$window"; fi
sleep 4
if [ -n "$manager" ]; then xdotool windowactivate "$window"; else xdotool windowmap "$window"; fi
sleep 2
xdotool windowfocus "$window" 2>/dev/null || true  # a display without a window manager gives none back
picture 8-back.png
key ctrl+s
sleep 2
mv regroup-2*.json trace.json || fail "Ctrl S saved no trace"
# Idle: twenty seconds of wall time must cost (nearly) no processor time.
key Escape
sleep 4
ticks() { awk '{print $14 + $15}' "/proc/$viewer_pid/stat"; }
before=$(ticks); sleep 20; after=$(ticks)
echo "idle: $((after - before)) of 2000 ticks of processor time in 20 s"
[ $((after - before)) -lt 40 ] || fail "an idle window uses the processor"
# The window is gone before the key is let go of: xdotool may complain.
xdotool key --window "$window" ctrl+q 2>/dev/null || true
sleep 3
! kill -0 "$viewer_pid" 2>/dev/null || fail "Ctrl Q did not end it"
wait "$viewer_pid" || fail "it ended with an error: $(cat "$work/stderr")"
viewer_pid=
[ -s "$XDG_CONFIG_HOME/regroup/view.json" ] || fail "the layout was not remembered"
python3 - trace.json report.json <<'PYTHON'
import json, sys
trace, report = (json.load(open(path)) for path in sys.argv[1:])
groups = [g["groups"][0] for g in trace["groupings"]]
tokens = [t for t in trace["tokens"] if not t.get("prompt")]
text = "".join(t["text"] for t in trace["tokens"])
assert "fox" in text, text
assert groups[-1] == 1 and len(groups) > 1, groups
ms = {name: " / ".join(f"{report[name][k]:.0f}" for k in ("p50_ms", "p99_ms", "max_ms")) for name in ("frames", "input")}
print(f"{report['model']} on {report['device']}: {len(tokens)} tokens, G {groups}: {text[:80]!r}")
print(f"first frame after {report['first_frame_ms']:.0f} ms, model after {report['model_ready_ms']:.0f} ms; "
      f"{report['input']['count']} answers to input, median / 99th percentile / largest {ms['input']} ms; "
      f"{report['frames']['count']} frames, {ms['frames']} ms")
PYTHON
ls "$out"
