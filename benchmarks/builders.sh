#!/bin/bash
# Measures piforge's cold build of the small recipe against other ways to the same packages, in one run: a loop-mount-and-chroot script,
# debos, vmdb2. Prints a Markdown table; raw figures go to benchmarks/results/builders.*.json. What does not run is a row with the reason.
#
#     benchmarks/builders.sh
#     TOOLS="loop debos vmdb2"        which of them
#     LIMIT=1200                      how many seconds each may take
#     SMALL=FILE                      another recipe
#     WORK=DIR                        where to work (some 10 GB, kept)
set -euo pipefail
cd "$(dirname "$0")/.."

recipe=${SMALL:-recipes/debian-13-small.yaml}
name=builders
work=${WORK:-$PWD/.build/bench}/$name
. benchmarks/measure.sh
limit=${LIMIT:-1200}
mkdir -p "$work/cache" "$work/out"
rm -f "$results/$name".*.json

plain=$(project "$work/project" "$recipe")
say "downloads (not timed)"
# Today's versions, as the other tools take them: a lock of another day would make one package more many.
"$piforge" fetch "$plain" --update-lock -o "$work/out" --cache "$work/cache" >&2
measure cold 1 "find '$work/cache' -mindepth 1 -maxdepth 1 ! -name '$store' -exec rm -rf {} +" \
    "'$piforge' build '$plain' -o '$work/out' --cache '$work/cache' --offline"
note_blocks cold

packages=${PACKAGES:-$work/packages}
[ -n "${PACKAGES:-}" ] || jq -r '.packages[].name' "$work/out/$(basename "$recipe" .yaml).manifest.json" >"$packages"
if reason=$(arm64_programs); then
    for tool in ${TOOLS:-loop debos vmdb2}; do
        case $tool in
        loop)
            say "$tool: downloads (not timed)"
            if benchmarks/baseline.sh fetch "$packages" "$work" >&2; then
                measure_other loop "$limit" "benchmarks/loop-chroot.sh '$packages' '$work'"
            else
                refuse loop "its packages could not be downloaded"
            fi
            ;;
        debos) measure_other debos "$limit" "benchmarks/other-tools.sh debos '$packages' '$work'" ;;
        vmdb2) measure_other vmdb2 "$limit" "benchmarks/other-tools.sh vmdb2 '$packages' '$work'" ;;
        esac
    done
else
    for tool in loop debos vmdb2; do refuse "$tool" "$reason"; done
fi

table_head
row cold "piforge, cold (downloads warm)"
row loop "loop devices, debootstrap, chroot, xz (downloads warm); ratio to piforge" cold
row debos "debos (downloads in its time); ratio to piforge" cold
row vmdb2 "vmdb2 (downloads in its time); ratio to piforge" cold
