#!/bin/bash
# Measures piforge against the usual tools in one run and prints a Markdown table; raw figures go to benchmarks/results/*.json.
#
#     benchmarks/run.sh               the Debian recipe, with the mmdebstrap baseline (the better part of an hour on two cores)
#     BENCH=quick benchmarks/run.sh   the small recipe
#     BASELINE=no                     without the baseline
#     WORK=DIR                        where to work (some 15 GB); WORK is kept, so that downloads are warm the next time
set -euo pipefail
cd "$(dirname "$0")/.."

recipe=${RECIPE:-recipes/debian-13.yaml}
[ "${BENCH:-full}" = quick ] && recipe=${RECIPE:-recipes/debian-13-small.yaml}
name=$(basename "$recipe" .yaml)
work=${WORK:-$PWD/.build/bench}/$name
piforge=$PWD/.build/release/piforge
results=benchmarks/results
# The folder of the downloads in piforge's cache; the rest of the cache is emptied before a cold build.
store=${STORE:-store}
preset=${PRESET:-6}
block_mib=${BLOCK_MIB:-8}
mkdir -p "$work/cache" "$work/out" "$results"
rm -f "$results/$name".*.json

say() { echo "bench: $*" >&2; }

# measure NAME RUNS PREPARE COMMAND: hyperfine's figures and the command's peak memory, into results/NAME.json.
measure() {
    local file=$results/$name.$1.json
    hyperfine --style basic --runs "$2" --prepare "$3" --command-name "$1" --export-json "$work/figures.json" \
        "benchmarks/peak.sh '$work/peak' $4" >&2
    jq --argjson peak "$(cat "$work/peak")" \
        '.results[0] | {name: .command, seconds: .mean, stddev, user, system, runs: (.times | length), peakKiB: $peak}' \
        "$work/figures.json" >"$file"
}

figure() { jq -r ".$2" "$results/$name.$1.json" 2>/dev/null || echo null; }

build="'$piforge' build '$recipe' -o '$work/out' --cache '$work/cache'"
say "downloads (not timed)"
eval "$build" >&2
image=$work/out/$name.img.xz

say "cold build"
measure cold 1 "find '$work/cache' -mindepth 1 -maxdepth 1 ! -name '$store' -exec rm -rf {} +" "$build --offline"
say "nothing changed"
measure noop 5 true "$build --offline"
say "one setting changed"
measure change 3 "echo \$RANDOM >'$work/salt'" "$build --offline --set system.hostname=bench-\$(cat '$work/salt')"
eval "$build --offline" >&2

say "compress"
xz -dc -T0 "$image" >"$work/disk.img"
measure pack 3 true "'$piforge' pack '$work/disk.img' '$work/packed.xz'"
measure xz 3 true "sh -c \"exec xz -T0 -$preset --block-size=${block_mib}MiB -kc '$work/disk.img' >'$work/xz.xz'\""
cmp "$work/packed.xz" "$image" || say "the packed disk differs from the image: other settings than the recipe's?"

say "verify"
if "$piforge" verify --help >/dev/null 2>&1; then
    measure verify 3 true "'$piforge' verify '$image'"
    measure sha256sum 3 true "sh -c \"xz -dc '$image' | sha256sum\""
fi

if [ "${BASELINE:-yes}" = yes ]; then
    if [ "$(id -u)" = 0 ] && [ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]; then
        [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || true
        update-binfmts --enable qemu-aarch64 || true
    fi
    if [ "$(id -u)" != 0 ]; then
        say "the baseline needs root (mmdebstrap keeps owners only then); passing it over: sudo -E benchmarks/run.sh"
    elif [ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]; then
        say "the kernel does not run arm64 programs here (binfmt_misc has no qemu-aarch64); passing the baseline over"
    else
        jq -r '.packages[].name' "$work/out/$name.manifest.json" >"$work/packages"
        say "baseline: downloads (not timed)"
        benchmarks/baseline.sh fetch "$work/packages" "$work/baseline" >&2
        say "baseline: mmdebstrap, mke2fs, xz"
        measure baseline 1 true "benchmarks/baseline.sh build '$work/packages' '$work/baseline'"
    fi
fi

# row NAME WHAT [REFERENCE]: seconds, CPU seconds, peak memory, and the time as a part of the reference's.
row() {
    [ -e "$results/$name.$1.json" ] || return 0
    local ratio=-
    if [ -n "${3:-}" ] && [ -e "$results/$name.$3.json" ]; then
        ratio=$(jq -n "$(figure "$1" seconds) / $(figure "$3" seconds) * 1000 | round / 1000")
    fi
    jq -r --arg what "$2" --arg ratio "$ratio" \
        'def places(n): . * n | round / n;
         "| \($what) | \(.seconds | places(100)) | \(.user + .system | places(100)) | \(.peakKiB / 1024 | round) | \($ratio) |"' \
        "$results/$name.$1.json"
}

echo
echo "$name, $(nproc) cores:"
echo
echo "| what | seconds | CPU seconds | peak MiB | ratio |"
echo "| --- | ---: | ---: | ---: | ---: |"
row baseline "mmdebstrap + qemu-user + mke2fs + xz"
row cold "piforge, cold (downloads warm); ratio to the baseline" baseline
row change "piforge, one setting changed; ratio to cold" cold
row noop "piforge, nothing changed; ratio to cold" cold
row xz "xz -T0 -$preset --block-size=${block_mib}MiB"
row pack "piforge pack; ratio to xz" xz
row sha256sum "xz -dc \| sha256sum"
row verify "piforge verify; ratio to that" sha256sum
echo
echo "Size: piforge $(stat -c %s "$work/packed.xz") bytes, xz $(stat -c %s "$work/xz.xz") bytes."
