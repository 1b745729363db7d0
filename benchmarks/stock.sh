#!/bin/bash
# Measures how long a stock image takes to become a layer (decoded, split, checked, read) against `xz -dc -T0 FILE >/dev/null`, in one
# run, and prints a Markdown table; raw figures go to benchmarks/results/stock.*.json.
#
#     benchmarks/stock.sh             two images of the stock layout, of 256 MiB and 2 GiB, made from this machine's /usr and packed by
#                                     `xz -T1`, so as one block, as stock images are
#     benchmarks/stock.sh FILE...     .img.xz files at hand
#     SIZES="256 2048" PRESET=2        MiB of the images that are made, and xz's preset for them
#     RUNS=3 WORK=DIR                 how often, and where to work (some 8 GB, kept)
set -euo pipefail
cd "$(dirname "$0")/.."

work=${WORK:-$PWD/.build/bench}/stock
runs=${RUNS:-3}
preset=${PRESET:-2}
piforge=$PWD/.build/release/piforge
results=benchmarks/results
mkdir -p "$work" "$results"

say() { echo "bench: $*" >&2; }

# make_image FILE MIB: a FAT32 of 64 MiB and an ext4 of MIB less that, three quarters full of what lies in /usr.
make_image() {
    local tree=$work/tree root_mib=$(($2 - 65))
    rm -rf "$tree"
    mkdir -p "$tree/etc" "$tree/boot/firmware"
    printf 'LABEL=writable / ext4 defaults 0 0\nLABEL=system-boot /boot/firmware vfat defaults 0 1\n' >"$tree/etc/fstab"
    find /usr -xdev -type f -size -20M -printf '%p\t%s\n' | LC_ALL=C sort |
        awk -F '\t' -v budget=$((root_mib * 3 / 4)) '{ sum += $2 + 4096 } sum <= budget * 1048576 { print $1 }' | tr '\n' '\0' |
        tar -c -P --null -T - | tar -x -C "$tree" --transform 's|^/||' 2>/dev/null
    rm -f "$work/root" "$work/boot" "$work/disk"
    mke2fs -q -t ext4 -L writable -d "$tree" "$work/root" "${root_mib}M"
    mkfs.fat -F 32 -s 1 -n system-boot -C "$work/boot" $((64 << 10)) >"$work/log" 2>&1
    head -c 30000000 /dev/urandom >"$work/kernel"
    mcopy -i "$work/boot" "$work/kernel" ::/kernel8.img
    truncate -s "$2M" "$work/disk"
    printf 'label: dos\nstart=2048,size=131072,type=c,bootable\nstart=133120,type=83\n' | sfdisk -q "$work/disk"
    dd if="$work/boot" of="$work/disk" bs=1M seek=1 conv=notrunc,sparse status=none
    dd if="$work/root" of="$work/disk" bs=1M seek=65 conv=notrunc,sparse status=none
    xz "-T1" "-$preset" -c "$work/disk" >"$1.partial"
    mv "$1.partial" "$1"
    rm -rf "$tree" "$work/root" "${work:?}/boot" "$work/disk" "$work/kernel"
}

# measure NAME COMMAND: hyperfine's figures and the command's peak memory, into results/stock.NAME.json.
measure() {
    hyperfine --style basic --runs "$runs" --prepare "rm -rf '$work/layers'" --export-json "$work/figures.json" \
        "benchmarks/peak.sh '$work/peak' $2" >&2
    jq --argjson peak "$(cat "$work/peak")" \
        '.results[0] | {seconds: .mean, stddev, user, system, runs: (.times | length), peakKiB: $peak}' \
        "$work/figures.json" >"$results/stock.$1.json"
}

# row NAME WHAT REFERENCE
row() {
    jq -r --arg what "$2" --slurpfile other "$results/stock.$3.json" \
        'def places(n): . * n | round / n;
         "| \($what) | \(.seconds | places(100)) | \(.user + .system | places(100)) | \(.peakKiB / 1024 | round) | \(.seconds / $other[0].seconds | places(100)) |"' \
        "$results/stock.$1.json"
}

images=("$@")
if [ ${#images[@]} = 0 ]; then
    for mib in ${SIZES:-256 2048}; do
        image=$work/stock-$mib.img.xz
        [ -e "$image" ] || { say "making an image of $mib MiB (not timed)"; make_image "$image" "$mib"; }
        images+=("$image")
    done
fi

table=
for image in "${images[@]}"; do
    name=$(basename "$image" .img.xz)
    say "$name"
    cat "$image" >/dev/null
    measure "$name.xz" "sh -c \"exec xz -dc -T0 '$image' >/dev/null\""
    measure "$name.piforge" "'$piforge' stock '$image' '$work/layers'"
    table+="$(row "$name.xz" "xz -dc -T0 $name" "$name.xz")"$'\n'"$(row "$name.piforge" "piforge stock $name" "$name.xz")"$'\n'
done
rm -rf "$work/layers"

echo
echo "$(nproc) cores:"
echo
echo "| what | seconds | CPU seconds | peak MiB | ratio to xz |"
echo "| --- | ---: | ---: | ---: | ---: |"
printf '%s' "$table"
