#!/bin/bash
# Runs a command and writes the largest resident memory of that one process, in KiB, into a file: `peak.sh FILE COMMAND...`. The
# processes that it starts itself are not counted (a virtual machine's memory is the guest's, not piforge's).
set -u
file=$1
shift
"$@" &
child=$!
trap 'kill -INT $child 2>/dev/null' INT TERM
# Reading from a pipe that nobody writes to is a pause that starts no process, whose time would be counted too.
exec {pause}<> <(:)
peak=0
running=yes
while [ $running = yes ]; do
    running=no
    while read -r key value _; do
        [ "$key" = VmHWM: ] && { peak=$value running=yes; break; }
    done 2>/dev/null <"/proc/$child/status"
    read -r -t 0.02 -u "$pause"
done 2>/dev/null
echo "$peak" >"$file"
wait $child
