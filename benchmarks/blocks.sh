#!/bin/bash
# Measures what block size and preset do: bytes, time, CPU time, memory of `piforge pack`, and how much of an image must be compressed
# anew when a little changes. The small recipe's image; figures go to benchmarks/results/blocks.*.json, report.py makes the tables.
#
#     benchmarks/blocks.sh
#     SAMPLE_MIB=256                  how much of the root partition, from its start, is packed; the whole image takes half an hour
#     SIZES="1 2 4 8 16 32 64" PRESETS="1 3 6 9"
#     SMALL=FILE                      another recipe
#     WORK=DIR                        where to work (some 10 GB, kept)
set -euo pipefail
cd "$(dirname "$0")/.."

recipe=${SMALL:-recipes/debian-13-small.yaml}
name=blocks
work=${WORK:-$PWD/.build/bench}/$name
. benchmarks/measure.sh
sample_mib=${SAMPLE_MIB:-256}
sizes=${SIZES:-1 2 4 8 16 32 64}
presets=${PRESETS:-1 3 6 9}
mkdir -p "$work/out" "$work/overlay/etc"
rm -f "$results/$name".*.json

# What builders.sh or run.sh downloaded, and built, serves here, too.
cache=$work/cache
for folder in builders "$(basename "$recipe" .yaml)"; do
    [ ! -d "$work/../$folder/cache" ] || cache=$(cd "$work/../$folder/cache" && pwd)
done
plain=$(project "$work/project" "$recipe")
extra=$(project "$work/project-extra" "$recipe" tree)

# disk NAME RECIPE [OPTION...]: an image's raw disk, $work/NAME.img
disk() {
    local to=$1 from=$2
    shift 2
    "$piforge" build "$from" -o "$work/out" --cache "$cache" "$@" >&2
    xz -dc -T0 "$work/out/$(basename "$recipe" .yaml).img.xz" >"$work/$to.img"
}

say "images of a base and of four changes (not timed)"
# Today's versions, with and without one more package: an older lock would make that package many.
"$piforge" fetch "$plain" --update-lock -o "$work/out" --cache "$cache" >&2
echo "A file of the overlay, as it was at first." >"$work/overlay/etc/bench"
overlay="overlays=[{path: \"$work/overlay\"}]"
disk base "$plain" --set "$overlay" --set "accounts.users[0].password={hash: \"$(hash_of 1)\"}"
disk hostname "$plain" --set "$overlay" --set "accounts.users[0].password={hash: \"$(hash_of 1)\"}" --set system.hostname=bench
disk password "$plain" --set "$overlay" --set "accounts.users[0].password={hash: \"$(hash_of 2)\"}"
disk package "$extra" --set "$overlay" --set "accounts.users[0].password={hash: \"$(hash_of 1)\"}"
echo "The same file, and now it says more." >"$work/overlay/etc/bench"
disk overlay "$plain" --set "$overlay" --set "accounts.users[0].password={hash: \"$(hash_of 1)\"}"

say "changed blocks"
benchmarks/changed-blocks.py --sizes "${sizes// /,}" "$work/base.img" hostname="$work/hostname.img" \
    password="$work/password.img" overlay="$work/overlay.img" package="$work/package.img" >"$results/$name.changed.json"

start=$(sfdisk -J "$work/base.img" | jq '.partitiontable.partitions[1].start')
dd if="$work/base.img" of="$work/sample" bs=1M count="$sample_mib" skip=$((start * 512)) iflag=skip_bytes status=none
rm -f "$work"/{hostname,password,overlay,package}.img

# pack NAME PRESET MIB: with a cache of its own, emptied; it would know the blocks.
pack() {
    measure "$1" 1 "rm -rf '$work/pack-cache'" \
        "'$piforge' pack '$work/sample' '$work/packed.xz' --preset $2 --block-size $3 --cache '$work/pack-cache'"
    jq --argjson preset "$2" --argjson mib "$3" --argjson bytes "$(stat -c %s "$work/packed.xz")" \
        --argjson raw "$(stat -c %s "$work/sample")" \
        '. + {$preset, blockMiB: $mib, $bytes, $raw}' "$results/$name.$1.json" >"$work/with-size"
    mv "$work/with-size" "$results/$name.$1.json"
}
for mib in $sizes; do pack "size-$mib" 6 "$mib"; done
for preset in $presets; do pack "preset-$preset" "$preset" 8; done
rm -rf "$work/pack-cache" "$work/packed.xz" "$work/sample" "$work/base.img"

echo
echo "Block size and preset, $sample_mib MiB of the root partition, $(nproc) cores:"
echo
echo "| preset | block MiB | bytes | seconds | peak MiB |"
echo "| ---: | ---: | ---: | ---: | ---: |"
jq -rs 'sort_by(.preset, .blockMiB)[] | "| \(.preset) | \(.blockMiB) | \(.bytes) | \(.seconds * 100 | round / 100) | \(.peakKiB / 1024 | round) |"' \
    "$results/$name".size-*.json "$results/$name".preset-*.json
