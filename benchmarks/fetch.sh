#!/bin/bash
# Measures a download of one large file from a loopback server: piforge, which digests while the bytes arrive and stores the file
# under its digest, against curl, and against curl and then sha256sum. Prints a Markdown table; needs hyperfine, jq, curl, python3.
#
#     benchmarks/fetch.sh             a file of 1,024 MiB
#     SIZE_MIB=N RUNS=N WORK=DIR      other sizes, runs, and another place to work
set -euo pipefail
cd "$(dirname "$0")/.."

size_mib=${SIZE_MIB:-1024}
runs=${RUNS:-5}
work=${WORK:-$PWD/.build/bench}/fetch
piforge=$PWD/.build/release/piforge
mkdir -p "$work/served" "$work/out"
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

# Bytes that no disk and no transfer makes smaller.
openssl enc -aes-128-ctr -nosalt -pass pass:piforge -in /dev/zero 2>/dev/null | head -c "${size_mib}M" >"$work/served/file" || true
sum=$(sha256sum "$work/served/file" | cut -d ' ' -f 1)

if command -v nginx >/dev/null; then
    mkdir -p "$work/nginx"
    cat >"$work/nginx.conf" <<CONF
daemon off; pid $work/nginx/pid; error_log stderr; worker_processes 1;
events {}
http { access_log off; sendfile on; client_body_temp_path $work/nginx; server { listen 127.0.0.1:8931; root $work/served; } }
CONF
    nginx -p "$work/nginx" -c "$work/nginx.conf" 2>/dev/null &
else
    python3 -m http.server --bind 127.0.0.1 --directory "$work/served" 8931 >/dev/null 2>&1 &
fi
server=$!
url=http://127.0.0.1:8931/file
curl -fs --retry 20 --retry-connrefused --retry-delay 1 -r 0-0 "$url" -o /dev/null

clean="rm -rf '$work/out' '$work/cache'; mkdir -p '$work/out'; sync"
hyperfine --style basic --warmup 1 --runs "$runs" --prepare "$clean" --export-json "$work/figures.json" \
    --command-name piforge "'$piforge' get '$url' --checksum sha256:$sum --cache '$work/cache'" \
    --command-name curl "curl -sf '$url' -o '$work/out/file'" \
    --command-name 'curl and sync' "curl -sf '$url' -o '$work/out/file' && sync '$work/out/file'" \
    --command-name 'curl, sync, sha256sum' \
    "curl -sf '$url' -o '$work/out/file' && sync '$work/out/file' && sha256sum '$work/out/file'" >&2

# Peak memory is not taken here: a process that watches it would share the two cores with server and client.
mkdir -p benchmarks/results
jq --argjson mib "$size_mib" '[.results[] | {name: .command, seconds: .mean, stddev, user, system, runs: (.times | length), mib: $mib}]' \
    "$work/figures.json" >benchmarks/results/fetch.json

echo "| $size_mib MiB over loopback | seconds | MB/s | piforge takes |"
echo "| --- | --- | --- | --- |"
jq -r --argjson mib "$size_mib" '
    (.results[] | select(.command == "piforge").mean) as $ours
    | .results[]
    | "| \(.command) | \(.mean * 100 | round / 100) ± \((.stddev // 0) * 100 | round / 100) | \($mib * 1.048576 / .mean | round) | \($ours / .mean * 100 | round / 100) times as long |"' \
    "$work/figures.json"
