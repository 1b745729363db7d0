#!/bin/bash
# Builds the packages of a list with debos or vmdb2, as these are set up on the host: `other-tools.sh debos|vmdb2 PACKAGES WORK`.
# PACKAGES has one name a line; WORK/TOOL.img.xz is made. Neither takes packages that are at hand: both download within their time.
# What a tool leaves behind when it fails (mounts, loop devices) is removed. Runs as root; DEBIAN_MIRROR and SUITE may be set.
#
# debos starts a machine of its own where the host has what that takes (a kernel with modules, systemd-resolved, QEMU); else it is told
# to do without (--disable-fakemachine).
set -euo pipefail

tool=$1
packages=$(realpath "$2")
mkdir -p "$3/$1"
work=$(cd "$3/$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
suite=${SUITE:-trixie}
mirror=${DEBIAN_MIRROR:-$("$here/../scripts/debian-mirror.sh" | head -n 1)}
mirror=${mirror%/}
security=${mirror%/debian}/debian-security
size_mib=${SIZE_MIB:-2560}
disk=$work/$tool.img

clean_up() {
    local point loop
    while read -r point; do umount "$point" 2>/dev/null || umount -l "$point" || true; done < <(
        awk -v work="$work/" -v disk="$disk" -v loops="$(losetup -j "$disk" 2>/dev/null | cut -d : -f 1 | tr '\n' ' ')" '
            { device = $1; sub(/^\/dev\/mapper\//, "/dev/", device); sub(/p[0-9]+$/, "", device) }
            index($2, work) == 1 || (device != "" && index(" " loops, " " device " ")) { print $2 }' /proc/mounts | sort -r)
    for loop in $(losetup -j "$disk" 2>/dev/null | cut -d : -f 1); do losetup -d "$loop" || true; done
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 3; }
rm -rf "${work:?}"/*
cd "$work"
export TMPDIR=$work
case $tool in
debos)
    machine=(--disable-fakemachine)
    vfat=no
    if grep -qw vfat /proc/filesystems || modprobe -q vfat; then vfat=yes; fi
    if compgen -G '/boot/vmlinuz-*' >/dev/null && compgen -G '/lib/modules/*/modules.dep' >/dev/null &&
        [ -e /lib/systemd/systemd-resolved ] && command -v qemu-system-x86_64 >/dev/null; then
        machine=(--memory 2048MB --scratchsize 6G)
        vfat=yes
    fi
    # debos runs programs through systemd-nspawn, with /dev/disk bound: udev makes that folder, and there may be no udev.
    mkdir -p /dev/disk
    cp "$here/debos.yaml" .
    # In a mount namespace of its own, nothing stays mounted when debos fails or its time is over.
    unshare --mount --propagation private debos "${machine[@]}" --artifactdir "$work" -t "suite:$suite" -t "mirror:$mirror" -t "security:$security" \
        -t "size:${size_mib}MB" -t "image:$tool.img" -t "vfat:$vfat" -t "packages:[$(paste -sd, "$packages")]" debos.yaml
    ;;
vmdb2)
    sed -e "s#@MIRROR@#$mirror#; s#@SECURITY@#$security#; s#@SUITE@#$suite#; s#@SIZE@#$size_mib#" \
        -e "s#@PACKAGES@#$(paste -sd ' ' "$packages")#" "$here/vmdb2.yaml" >vmdb2.yaml
    # The log has the words of the program that failed; vmdb2 itself only says that one did.
    vmdb2 --output "$disk" --log "$work/log" vmdb2.yaml || {
        grep -B 30 -m 1 'vmdb.runcmd.RuncmdError' "$work/log" | grep -A 4 'STDERR' | sed 's/^.*STDERR: *//' >&2 || true
        exit 1
    }
    xz -T0 -6 "$disk"
    ;;
*) echo "other-tools: unknown tool $tool" >&2; exit 2 ;;
esac
[ -s "$disk.xz" ]
