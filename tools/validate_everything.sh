#!/bin/sh
# Runs a decode, a conversion and a viewer session under the Khronos validation layers: core checks, synchronisation validation and
# GPU-assisted validation, one after the other. Any message of the layers fails, and so does a layer that was not active.
# usage: tools/validate_everything.sh [folder with the programs, default build/release/bin]
#   the driver is the loader's choice; VK_ICD_FILENAMES names another. Minutes on a CPU driver, most of them GPU-assisted.
set -eu
cd "$(dirname "$0")/.."
programs=$(cd "${1:-build/release/bin}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export REGROUP_CACHE="$work/cache" VK_LAYER_SETTINGS_PATH="$work" VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation

cat > "$work/steps.json" <<EOF
[{"sampling": {"temperature": 0.8, "seed": 3}}, {"prompt": "Once upon a time there was a king who"}, {"run": 12},
 {"groups": 4}, {"run": 6}, {"mode": "recompute"}, {"groups": 2}, {"run": 6}, {"attention_layer": 1}, {"run": 2},
 {"measure": 2}, {"preset": "memory"}, {"frames": 3}]
EOF
head -c 6000 assets/validation.txt > "$work/text.txt"

# check NAME LAYER_FEATURE COMMAND...: the command under the layers, then what they said.
failed=0
check() {
  name=$1
  feature=$2
  shift 2
  log="$work/messages.log"
  rm -f "$log"
  cat > "$work/vk_layer_settings.txt" <<EOF
khronos_validation.enables = $feature
khronos_validation.report_flags = error,warn,perf,info
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.log_filename = $log
khronos_validation.duplicate_message_limit = 10
EOF
  begin=$(date +%s)
  code=0
  "$@" >"$work/out" 2>"$work/err" || code=$?
  seconds=$(($(date +%s) - begin))
  active=$(grep -c "Current Enables: ${feature%_EXT}" "$log" 2>/dev/null || true)
  [ -n "$feature" ] || active=$(grep -c "Khronos Validation Layer Active" "$log" 2>/dev/null || true)
  # Everything but the layers' own greeting.
  grep -E "Validation (Error|Warning|Performance)|(ERROR|WARN|PERF)[^)]*\)" "$log" > "$work/said" 2>/dev/null || true
  said=$(grep -c . "$work/said" || true)
  echo "$name: exit $code, layer ${active:-0} time(s) active, $said messages, $seconds s"
  if [ "$code" != 0 ] || [ "${active:-0}" = 0 ] || [ "$said" != 0 ]; then
    failed=1
    head -n 5 "$work/said" "$work/err"
  fi
}

for mode in "core " "synchronisation VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT" "GPU-assisted VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT"; do
  feature=${mode#* }
  mode=${mode%% *}
  check "$mode, decoding" "$feature" "$programs/regroup" run -q -p "The little girl opened the door" -n 200 --temp 0
  check "$mode, decoding with groups" "$feature" "$programs/regroup" run -q --groups 2 --kv q8_0 -p "The little girl" -p "Once" -n 24 --temp 0.8
  check "$mode, conversion" "$feature" "$programs/regroup" convert -q -i assets/regroup-3m.gguf -o "$work/out.gguf" --force --groups 4 \
    --method svd --calibrate "$work/text.txt" --calibration-tokens 1024
  if [ -x "$programs/regroup-view" ]; then
    check "$mode, viewer" "$feature" "$programs/regroup-view" --headless --size 960x640 --script "$work/steps.json"
  fi
done
exit $failed
