# shellcheck shell=bash disable=SC2034
# What the benchmarks share, to be sourced: where results go, how one thing is measured, and how a row of the printed table is made.
# `name` (of the results) and `work` (a folder) are set by who sources this.
: "${name:?}" "${work:?}"

results=benchmarks/results
piforge=${PIFORGE:-$PWD/.build/release/piforge}
# The folder of the downloads in piforge's cache; the rest of the cache is emptied before a cold build.
store=${STORE:-store}
mkdir -p "$results"

say() { echo "bench: $*" >&2; }

# hyperfine's figures and a peak in KiB as one object: figures NAME PEAK
figures() {
    jq --arg name "$1" --argjson peak "$2" \
        '.results[0] | {name: $name, seconds: .mean, stddev, user, system, runs: (.times | length), peakKiB: $peak}' \
        "$work/figures.json" >"$results/$name.$1.json"
}

# measure NAME RUNS PREPARE COMMAND: time, CPU time and peak memory of the command's own process, into results/NAME.json. What it says is
# kept in $work/log. COMMAND may end in redirections; 1 as its exit code counts as done where `allowed` is 1. With
# `peak=no` no memory is told: that of a shell which only starts others means nothing.
measure() {
    say "$name: $1"
    hyperfine --style basic --runs "$2" --prepare "$3" --command-name "$1" --export-json "$work/figures.json" \
        "{ benchmarks/peak.sh '$work/peak' $4; } >'$work/log' 2>&1 || [ \$? = ${allowed:-0} ]" >&2 || {
        cat "$work/log" >&2
        return 1
    }
    if [ "${peak:-yes}" = no ]; then echo null >"$work/peak"; fi
    figures "$1" "$(cat "$work/peak")"
}

# measure_other NAME LIMIT COMMAND: the same for a tool of others, once, for at most LIMIT seconds; the peak is that of its largest process.
# Where it fails, the result is the reason that it printed, and the run goes on.
measure_other() {
    local status=0 reason
    say "$name: $1"
    hyperfine --style basic --runs 1 --command-name "$1" --export-json "$work/figures.json" \
        "timeout -k 60 $2 /usr/bin/time -q -f %M -o '$work/peak' $3 >'$work/$1.log' 2>&1; echo \$? >'$work/status'" >&2
    status=$(cat "$work/status")
    if [ "$status" = 0 ]; then
        figures "$1" "$(tail -n 1 "$work/peak")"
        return 0
    fi
    if [ "$status" = 124 ] || [ "$status" = 137 ]; then
        reason="not done after $2 s, which is its limit here"
    else
        # The last two lines that tell of an error; debos' have the time before them.
        reason=$(grep -E 'error: |^E: |Failed to |prerequisites|not installed|Permission denied' "$work/$1.log" | tail -n 2 |
            sed -E 's#^[0-9/]+ [0-9:]+ ##' | paste -sd ';' | sed 's/;/; /g') || true
        reason=${reason:-$(grep -v '^[[:space:]]*$' "$work/$1.log" | tail -n 1)}
    fi
    refuse "$1" "${reason:-ended with $status and said nothing}"
    tail -n 20 "$work/$1.log" >&2
}

# refuse NAME REASON: the result of what did not run. Neither addresses nor paths of this machine belong in it.
refuse() {
    say "$name: $1 did not run: $2"
    jq -n --arg name "$1" --arg reason "$2" --arg work "$work" '
        {$name, failed: ($reason | gsub("[a-z]+://[^ ]+"; "URL") | split($work) | join("WORK") | gsub("/[^ ]*/bench/"; ""))}' \
        >"$results/$name.$1.json"
}

# note_blocks NAME: adds what the last measured build said of its blocks to the result of that name.
note_blocks() {
    local found
    found=$(sed -n 's/.*blocks: \([0-9]*\) new, \([0-9]*\) reused, \([0-9]*\) zero.*/{"new":\1,"reused":\2,"zero":\3}/p' "$work/log" | jq -s .)
    jq --argjson found "$found" '. + {blocks: $found}' "$results/$name.$1.json" >"$work/with-blocks"
    mv "$work/with-blocks" "$results/$name.$1.json"
}

# row NAME WHAT [REFERENCE]: seconds, CPU seconds, peak memory, and the time as a part of the reference's.
row() {
    local file=$results/$name.$1.json reference=$results/$name.${3:-}.json
    [ -e "$file" ] || return 0
    [ -n "${3:-}" ] && [ -e "$reference" ] || reference=/dev/null
    jq -r --arg what "$2" --slurpfile reference "$reference" '
        def places(n): . * n | round / n;
        if .failed then "| \($what) | did not run: \(.failed | gsub("\\|"; "\\|")) | | | |"
        else "| \($what) | \(.seconds | places(100)) | \(.user + .system | places(100)) | \(
            if .peakKiB then .peakKiB / 1024 | round else "" end) | \(
            if $reference[0].seconds then .seconds / $reference[0].seconds | places(1000) else "-" end) |" end' "$file"
}

table_head() {
    echo
    echo "$name, $(nproc) cores:"
    echo
    echo "| what | seconds | CPU seconds | peak MiB | ratio |"
    echo "| --- | ---: | ---: | ---: | ---: |"
}

# Whether arm64 programs run here, as root; turns binfmt_misc on where it can. Says why not.
arm64_programs() {
    [ "$(id -u)" = 0 ] || { echo "needs root: sudo -E make bench"; return 1; }
    if [ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] && [ "$(uname -m)" != aarch64 ]; then
        [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || true
        update-binfmts --enable qemu-aarch64 || true
        [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || { echo "binfmt_misc has no qemu-aarch64"; return 1; }
    fi >/dev/null 2>&1
    return 0
}

# project FOLDER RECIPE [PACKAGE]: a copy of the recipes and of what they name, so that no run writes into the repository; with PACKAGE, the
# recipe there installs that, too. Prints the copy of RECIPE.
project() {
    rm -rf "${1:?}"
    mkdir -p "$1"
    cp -r recipes overlays kernel-configs "$1/"
    [ -z "${3:-}" ] || sed -i "0,/^  install:/s//  install:\n    - $3/" "$1/recipes/$(basename "$2")"
    echo "$1/recipes/$(basename "$2")"
}

# What each rebuild changes. A new value for each run, or the second would find the first one's work.
hash_of() { openssl passwd -6 -salt "bench$1" "bench $1"; }
