#!/bin/bash
# Runs a command and writes the largest resident memory of that one process, in KiB, into a file: `peak.sh FILE COMMAND...`. The
# processes that it starts itself are not counted (a virtual machine's memory is the guest's, not piforge's).
set -u
file=$1
shift
"$@" &
child=$!
trap 'kill -INT $child 2>/dev/null' INT TERM
echo 0 >"$file"
while line=$(grep VmHWM "/proc/$child/status" 2>/dev/null); do
    set -- $line
    echo "$2" >"$file"
    sleep 0.05
done
wait $child
