#!/bin/sh
# Plays in a real window, with real keys, what regroup-view is for, and checks what came of it: a prompt is typed, G goes
# from 8 over 4 to 2 while tokens stream, the cache halves twice and agrees to the byte with `regroup run --groups 2`; a
# broken file is dropped, the window resized, a plot exported, another model opened, and the run replayed without a model.
# tools/install_dependencies.sh --window installs what it needs.  usage: tools/check_window.sh [folder of the programs] [folder for pictures] [model
# to open; default: smollm2-135m, if it was fetched]
set -eu
programs=$(realpath "${1:-build/release/bin}")
out=$(realpath -m "${2:-build/window-check}")
tools=$(realpath "$(dirname "$0")")
bundled=$(realpath "$tools/../assets/regroup-3m.gguf")
other=${3:-${REGROUP_CACHE:-$HOME/.cache/regroup}/models/smollm2-135m.gguf}
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
display=:$((90 + $$ % 20))
Xvfb $display -screen 0 1700x1100x24 -nolisten tcp >/dev/null 2>&1 &
xvfb=$!
viewer=
finish() {
  [ -z "$viewer" ] || kill "$viewer" 2>/dev/null || true
  kill $xvfb 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
export DISPLAY=$display XDG_CONFIG_HOME="$work/config"
fail() { echo "check_window.sh: FAILED: $*; $(cat "$work/stderr" 2>/dev/null)" >&2; exit 1; }

cd "$out"
sleep 1
key() { xdotool key --window "$window" "$@"; sleep 0.3; }
# start NAME ARGUMENTS...: a window whose report becomes NAME.json
start() {
  name=$1
  shift
  "$programs/regroup-view" --json "$@" >"$name.json" 2>"$work/stderr" &
  viewer=$!
  window=$(timeout 60 xdotool search --sync --onlyvisible --name '^regroup$' | head -1)
  [ -n "$window" ] || fail "no window appeared"
  xdotool windowfocus "$window" 2>/dev/null || true
  sleep 4
}
stop() {
  # The window is gone before the key is let go of: xdotool may complain.
  xdotool key --window "$window" ctrl+q 2>/dev/null || true
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    if ! kill -0 "$viewer" 2>/dev/null; then break; fi
    sleep 1
  done
  ! kill -0 "$viewer" 2>/dev/null || fail "Ctrl Q did not end it"
  wait "$viewer" || fail "it ended with an error"
  viewer=
}
# newest_of PATTERN NEW_NAME: waits for a file that a key asked for
take() {
  for _ in $(seq 300); do
    for file in $1; do
      if [ -s "$file" ]; then mv "$file" "$2"; return; fi
    done
    sleep 0.2
  done
  fail "no $1 was saved"
}
picture() { key F12; take 'regroup-2*.png' "$1"; }
# saved NAME: the run so far, as a trace
saved() {
  rm -f regroup-2*.json
  key ctrl+s
  take 'regroup-2*.json' "$1"
}
# tokens G: how many tokens the run has, and how many of them were decoded under G, which must be in force
tokens() {
  saved now.json
  python3 -c "
import json
trace = json.load(open('now.json'))
last = len(trace['groupings']) - 1
mine = sum(t['grouping'] == last and not t.get('prompt') for t in trace['tokens'])
print(len(trace['tokens']), mine if trace['groupings'][last]['groups'][0] == $1 else 0)"
}
# streams_with G: waits until tokens were decoded under G; a run that came to its end goes on
streams_with() {
  before=
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    now=$(tokens "$1")
    [ "${now#* }" -lt 3 ] || return 0
    [ "$now" != "$before" ] || key space
    before=$now
  done
  fail "no tokens were decoded at G = $1"
}
# settled: waits until the run has come to its end
settled() {
  before=
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
    now=$(tokens 0)
    [ "$now" != "$before" ] || return 0
    before=$now
    sleep 1
  done
  fail "the run does not end"
}
# turn_to G: by its key, in the middle of a run
turn_to() {
  before=$(tokens 0)
  [ "$(tokens 0)" != "$before" ] || key space
  key "$1"
  streams_with "$1"
}

start live --model "$bundled"
key p
key ctrl+a
xdotool type --window "$window" --delay 40 "Once upon a time there was a fox"
key Return
streams_with 8
cp now.json 8.json
picture 1-streaming-8.png
turn_to 4
picture 2-streaming-4.png
turn_to 2
picture 3-streaming-2.png
settled
saved 2.json

printf 'GGUF but not really' >broken.gguf
"$tools/drop_file.py" "$window" "$out/broken.gguf" || fail "the drop was not taken"
sleep 2
picture 4-broken-file.png
saved after-drop.json
key Escape  # dismisses the message, no more

xdotool windowsize "$window" 1100 760
sleep 2
picture 5-resized.png
xdotool windowsize "$window" 1600 1000
sleep 2
xdotool mousemove --window "$window" 1100 200  # on the plot of times
sleep 1
key e
take 'regroup-*.svg' plot.svg
key c
take 'regroup-*.csv' plot.csv

if [ -s "$other" ]; then
  key ctrl+o
  sleep 1
  picture 6-dialog.png
  xdotool type --window "$window" --delay 40 "$other"
  key Return
  # Loading and compiling takes its time on a busy machine.
  is_other() { saved other.json && python3 -c "
import json
other, before = json.load(open('other.json')), json.load(open('2.json'))
raise SystemExit(other['model']['name'] == before['model']['name'] or len(other['tokens']) < $1)"; }
  wait_for_other() {
    for _ in $(seq 60); do
      if is_other "$1"; then return; fi
      sleep 1
    done
    fail "$2"
  }
  wait_for_other 0 "$other was not opened"
  key space
  wait_for_other 12 "$other says nothing"
  key space
  picture 7-other-model.png
fi
stop

start replay 2.json
picture 8-replay.png
stop

"$programs/regroup" run -m "$bundled" -p "Once upon a time there was a fox" -n 4 --temp 0 --groups 2 --json -q >command.json
python3 - <<'PYTHON'
import json, os
load = lambda path: json.load(open(path))
eight, two, dropped, command, replay = map(load, ("8.json", "2.json", "after-drop.json", "command.json", "replay.json"))
steps = {g["groups"][0]: g for g in two["groupings"]}
assert [g["groups"][0] for g in two["groupings"]] == [8, 4, 2], [g["groups"] for g in two["groupings"]]
assert any(not t.get("prompt") for t in eight["tokens"]), "nothing streamed before G was changed"
assert "fox" in "".join(t["text"] for t in two["tokens"])
used = {t["grouping"] for t in two["tokens"] if not t.get("prompt")}
assert used == {0, 1, 2}, f"tokens were decoded under groupings {used}"
for key in ("kv_bytes", "kv_bytes_per_token"):
    assert steps[8][key] == 2 * steps[4][key] == 4 * steps[2][key], [s[key] for s in steps.values()]
    assert steps[2][key] == command[key], (key, steps[2][key], command[key])
ids = lambda trace: [t["id"] for t in trace["tokens"]]
assert ids(dropped) == ids(two), "the broken file changed the run"
assert replay["phase"] == "replay" and replay["prompt_tokens"] + replay["tokens"] == ids(two)
assert replay["kv_bytes"] == command["kv_bytes"]
assert open("plot.svg").read().rstrip().endswith("</svg>") and open("plot.csv").read().count("\n") > 1
print(f"G 8, 4, 2 while {len(ids(two))} tokens streamed; cache {steps[8]['kv_bytes']}, {steps[4]['kv_bytes']}, "
      f"{steps[2]['kv_bytes']} bytes, as `regroup run --groups 2` has it: {command['kv_bytes']}")
if os.path.exists("other.json"):
    other = load("other.json")
    assert other["model"]["name"] != two["model"]["name"] and len(other["tokens"]) > 1
    print(f"then {other['model']['name']}: {len(other['tokens'])} tokens")
PYTHON
echo "passed; pictures are in $out"
