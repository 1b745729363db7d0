#!/bin/bash
# Measures `piforge verify IMAGE`, the whole of it, against `xz -dc IMAGE | sha256sum` in one run, and prints both means and their
# ratio: `benchmarks/verify.sh IMAGE [RUNS]`. Ends with 1 when verify is the slower one.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:?usage: benchmarks/verify.sh IMAGE [RUNS]}
runs=${2:-5}
piforge=$PWD/.build/release/piforge
figures=$(mktemp)
cache=$(mktemp -d)
trap 'rm -rf "$figures" "$cache"' EXIT

hyperfine --style basic --warmup 1 --runs "$runs" --export-json "$figures" \
    --command-name verify "'$piforge' verify '$image' --cache '$cache'" \
    --command-name 'xz -dc | sha256sum' "sh -c \"xz -dc '$image' | sha256sum\"" >&2
benchmarks/peak.sh "$cache/peak" "$piforge" verify "$image" --cache "$cache" >/dev/null 2>&1
jq -r --argjson peak "$(cat "$cache/peak")" '
    def places(n): . * n | round / n;
    (.results | map("\(.command): \(.mean | places(100)) s ± \(.stddev | places(100)), CPU \(.user + .system | places(100)) s")[]),
    "ratio: \(.results[0].mean / .results[1].mean | places(1000))",
    "peak memory of verify: \($peak / 1024 | round) MiB"' "$figures"
jq -e '.results[0].mean <= .results[1].mean' "$figures" >/dev/null
