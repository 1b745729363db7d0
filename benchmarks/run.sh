#!/bin/bash
# Measures piforge against the usual tools in one run and prints a Markdown table; raw figures go to benchmarks/results/*.json.
#
#     benchmarks/run.sh               the Debian recipe, with the mmdebstrap baseline (some 40 minutes on two cores)
#     BENCH=quick benchmarks/run.sh   the small recipe, without the baseline
#     BASELINE=no DEVICES=N           without the baseline; another number of devices than 20
#     WORK=DIR                        where to work (some 25 GB); WORK is kept, so that downloads are warm the next time
set -euo pipefail
cd "$(dirname "$0")/.."

recipe=${RECIPE:-recipes/debian-13.yaml}
baseline=${BASELINE:-yes}
if [ "${BENCH:-full}" = quick ]; then
    recipe=${RECIPE:-recipes/debian-13-small.yaml}
    baseline=${BASELINE:-no}
fi
name=$(basename "$recipe" .yaml)
work=${WORK:-$PWD/.build/bench}/$name
. benchmarks/measure.sh
preset=${PRESET:-6}
block_mib=${BLOCK_MIB:-8}
devices=${DEVICES:-20}
mkdir -p "$work/cache" "$work/out" "$work/overlay/etc"
rm -f "$results/$name".*.json

plain=$(project "$work/project" "$recipe")
extra=$(project "$work/project-extra" "$recipe" tree)
options="-o '$work/out' --cache '$work/cache'"
build="'$piforge' build '$plain' $options --offline"
image=$work/out/$name.img.xz

say "downloads (not timed)"
# Today's versions, as the other tools take them: a lock of another day would make one package more many.
"$piforge" fetch "$plain" --update-lock -o "$work/out" --cache "$work/cache" >&2
"$piforge" fetch "$extra" --update-lock -o "$work/out" --cache "$work/cache" >&2

measure cold 1 "find '$work/cache' -mindepth 1 -maxdepth 1 ! -name '$store' -exec rm -rf {} +" \
    "$build --trace '$results/$name.cold.trace'"
note_blocks cold
measure noop 5 true "$build"
cp "$image" "$work/base.img.xz"

# The shell that hyperfine starts reads the new value, so it is a part of the command, not of this script.
salt="date +%s%N | tail -c 9 >'$work/salt'"
measure hostname 3 "$salt" "$build --trace '$results/$name.hostname.trace' --set system.hostname=bench-\$(cat '$work/salt')"
note_blocks hostname
measure password 3 "$salt; openssl passwd -6 -salt bench bench-\$(cat '$work/salt') >'$work/hash'" \
    "$build --set 'accounts.users[0].password={hash: \"'\$(cat '$work/hash')'\"}'"
note_blocks password
echo "A file of the overlay, as it was at first." >"$work/overlay/etc/bench"
overlay="$build --set 'overlays=[{path: \"$work/overlay\"}]'"
eval "$overlay" >&2
measure overlay 3 "$salt; cp '$work/salt' '$work/overlay/etc/bench'" "$overlay"
note_blocks overlay
measure package 1 true "'$piforge' build '$extra' $options --offline"
note_blocks package
cp "$image" "$work/package.img.xz"

say "$name: keys of $devices devices (not timed)"
rm -rf "$work/devices" "$work/out-matrix"
mkdir -p "$work/devices"
for number in $(seq -w "$devices"); do
    ssh-keygen -q -t ed25519 -N '' -C "device-$number" -f "$work/devices/$number"
    echo "- name: device-$number"
    echo "  set: {system.hostname: device-$number, 'accounts.users[0].ssh_keys': [$(cat "$work/devices/$number.pub")]}"
done >"$work/devices.yaml"
measure matrix 1 true \
    "'$piforge' build '$plain' -o '$work/out-matrix' --cache '$work/cache' --offline --matrix '$work/devices.yaml'"
note_blocks matrix
jq --argjson devices "$((10#$devices))" '. + {$devices}' "$results/$name.matrix.json" >"$work/with-devices"
mv "$work/with-devices" "$results/$name.matrix.json"
rm -rf "$work/out-matrix"
eval "$build" >&2

xz -dc -T0 "$image" >"$work/disk.img"
# A cache of its own, emptied: blocks that are at hand would not be compressed.
measure pack 2 "rm -rf '$work/pack-cache'" "'$piforge' pack '$work/disk.img' '$work/packed.xz' --cache '$work/pack-cache'"
measure xz 2 true "sh -c \"exec xz -T0 -$preset --block-size=${block_mib}MiB -kc '$work/disk.img' >'$work/xz.xz'\""
cmp "$work/packed.xz" "$image" || say "the packed disk differs from the image: other settings than the recipe's?"
jq -n --argjson piforge "$(stat -c %s "$work/packed.xz")" --argjson xz "$(stat -c %s "$work/xz.xz")" \
    --argjson disk "$(stat -c %s "$work/disk.img")" '{name: "sizes", $piforge, $xz, $disk}' >"$results/$name.sizes.json"
rm -rf "$work/disk.img" "$work/pack-cache"

measure verify 2 true "'$piforge' verify '$image' --cache '$work/cache'"
peak=no measure sha256sum 2 true "bash -c \"xz -dc '$image' | sha256sum\""
measure inspect 3 true "'$piforge' inspect '$image'"
measure cat 3 true "'$piforge' cat '$image' /etc/os-release"
measure unpack 2 true "bash -c \"exec xz -dc '$image' >/dev/null\""
allowed=1 measure diff 1 true "'$piforge' diff '$work/base.img.xz' '$work/package.img.xz'"
# Both at a time, and nothing compared: cmp would stop at the first byte that differs.
peak=no measure unpack-both 1 true \
    "bash -c \"xz -dc '$work/base.img.xz' >/dev/null & xz -dc '$work/package.img.xz' >/dev/null & wait\""

if [ "$baseline" = yes ]; then
    jq -r '.packages[].name' "$work/out/$name.manifest.json" >"$work/packages"
    if reason=$(arm64_programs); then
        say "baseline: downloads (not timed)"
        if benchmarks/baseline.sh fetch "$work/packages" "$work/baseline" >&2; then
            measure_other mmdebstrap "${LIMIT:-2400}" "benchmarks/baseline.sh build '$work/packages' '$work/baseline'"
        else
            refuse mmdebstrap "its packages could not be downloaded"
        fi
    else
        refuse mmdebstrap "$reason"
    fi
fi

table_head
row mmdebstrap "mmdebstrap + qemu-user + mke2fs + xz"
row cold "piforge, cold (downloads warm); ratio to the baseline" mmdebstrap
row noop "piforge, nothing changed; ratio to cold" cold
row hostname "piforge, host name changed; ratio to cold" cold
row password "piforge, password changed; ratio to cold" cold
row overlay "piforge, file of an overlay changed; ratio to cold" cold
row package "piforge, one package added; ratio to cold" cold
row matrix "piforge, $((10#$devices)) devices; ratio to cold" cold
row xz "xz -T0 -$preset --block-size=${block_mib}MiB"
row pack "piforge pack; ratio to xz" xz
row sha256sum "xz -dc \| sha256sum"
row verify "piforge verify; ratio to that" sha256sum
row unpack "xz -dc >/dev/null"
row inspect "piforge inspect; ratio to xz -dc" unpack
row cat "piforge cat /etc/os-release; ratio to xz -dc" unpack
row unpack-both "xz -dc of two images, both at a time"
row diff "piforge diff; ratio to that" unpack-both
