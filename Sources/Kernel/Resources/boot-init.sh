#!/bin/busybox sh
# The first process of piforge's boot initramfs: loads the drivers of the hardware that is there, finds the root file
# system that the kernel's command line names, mounts it and hands over to its init.
#
# Command line: root= (LABEL=, UUID=, PARTUUID=, PARTLABEL= or a device), rootfstype=, rootflags=, ro, rw, init=, quiet,
# rootdelay=SECONDS and rootwait=SECONDS (how long to wait for the root device; 180 at least),
# panic=SECONDS (reboot that long after a failure), break[=top|premount|bottom] (a shell on the console).
# The root file system is not checked here: mounted ro, systemd checks it (systemd-fsck-root.service) before it is rw.

set -f
export PATH=/bin
/bin/busybox --install -s /bin

log() { [ -n "$quiet" ] || echo "initramfs: $*"; }
warn() { echo "initramfs: $*"; }
uptime_seconds() { read -r seconds rest </proc/uptime; echo "${seconds%%.*}"; }

# Ends the boot: reboots when panic= says so, else stays with the message on the console.
fail() {
    warn "FAILED: $*"
    warn "block devices: $(sed -n 's/^ *[0-9]\{1,\} *[0-9]\{1,\} *[0-9]\{1,\} //p' /proc/partitions | tr '\n' ' ')"
    warn "command line: $(cat /proc/cmdline)"
    warn "boot with break=premount for a shell here"
    case $panic in
        -*) reboot -f ;;
        '' | 0) while :; do sleep 3600; done ;;
        *) sleep "$panic"; reboot -f ;;
    esac
}

# A shell at the point named, when break= asks for it; leaving it goes on with the boot.
stop_at() {
    [ "$break" = "$1" ] || return 0
    warn "break=$1: 'exit' goes on"
    setsid cttyhack sh
}

mkdir -p /dev /proc /sys /root /tmp
mount -t devtmpfs -o nosuid,mode=0755 dev /dev
mount -t proc -o nodev,noexec,nosuid proc /proc
mount -t sysfs -o nodev,noexec,nosuid sys /sys
# Where console= names no device there is, the kernel's log takes the messages.
[ -e /proc/self/fd/1 ] || exec </dev/null >/dev/kmsg 2>&1

root='' types='' flags='' access=ro init='' quiet='' panic='' break='' patience=180
for word in $(cat /proc/cmdline); do
    value=${word#*=}
    case $word in
        --) break ;;
        root=*) root=$value ;;
        rootfstype=*) types=$(echo "$value" | tr , ' ') ;;
        rootflags=*) flags=,$value ;;
        # rw is what systemd makes of it, once the file system is checked.
        ro | rw) ;;
        init=*) init=$value ;;
        quiet) quiet=yes ;;
        panic=*) panic=$value ;;
        break) break=premount ;;
        break=*) break=$value ;;
        rootdelay=* | rootwait=*) [ "$value" -le "$patience" ] 2>/dev/null || patience=$value ;;
    esac
done
root=${root#\"} root=${root%\"}
case $root in
    /dev/disk/by-label/*) root=LABEL=${root##*/} ;;
    /dev/disk/by-uuid/*) root=UUID=${root##*/} ;;
    /dev/disk/by-partuuid/*) root=PARTUUID=${root##*/} ;;
esac
stop_at top

release=$(uname -r)
[ -d "/lib/modules/$release" ] ||
    warn "this initramfs has the modules of $(ls /lib/modules), the running kernel is $release"

# Loads the drivers of devices that have appeared since the last call.
load_drivers() {
    find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u >/tmp/devices
    cmp -s /tmp/devices /tmp/devices.known && return 0
    # shellcheck disable=SC2046 # one alias a word
    modprobe -q -b -a $(cat /tmp/devices) 2>/dev/null
    mv /tmp/devices /tmp/devices.known
}

# The partition of a partition table's name for it: from the kernel's uevent, and for an MBR from the disk itself,
# since kernels up to 6.12 do not tell (signature: 4 bytes at 440; SSSSSSSS-NN, NN in hexadecimal).
partition_by_uuid() {
    wanted=$(echo "$1" | tr A-Z a-z)
    set +f
    for folder in /sys/class/block/*; do
        set -f
        [ -e "$folder/partition" ] || continue
        seen=$(sed -n 's/^PARTUUID=//p' "$folder/uevent" | tr A-Z a-z)
        if [ -z "$seen" ] && [ "${#wanted}" -eq 11 ]; then
            disk=$(readlink -f "$folder/..")
            signature=$(od -A n -t x4 -j 440 -N 4 "/dev/${disk##*/}" 2>/dev/null | tr -d ' ')
            seen=$(printf '%s-%02x' "$signature" "$(cat "$folder/partition")")
        fi
        if [ "$seen" = "$wanted" ]; then
            echo "/dev/${folder##*/}"
            return
        fi
    done
    set -f
}

partition_by_label() {
    set +f
    grep -l -x -F "PARTNAME=$1" /sys/class/block/*/uevent 2>/dev/null | sed -n '1s|/sys/class/block/\(.*\)/uevent|/dev/\1|p'
    set -f
}

# The bytes of a device as hexadecimal digits: DEVICE OFFSET COUNT.
hex_bytes() { od -A n -t x1 -j "$2" -N "$3" "$1" 2>/dev/null | tr -d ' \n'; }

# The ext2, ext3 or ext4 with a label or a UUID, for a busybox without findfs (before 1.31). Both are in the superblock
# (Linux, Documentation/filesystems/ext4/super.rst: it begins at 1024; magic at 56, UUID at 104, label at 120).
ext_by_name() {
    case $1 in
        LABEL=*) place=1144 wanted=$(printf %s "${1#*=}" | od -A n -t x1 | tr -d ' \n') ;;
        *) place=1128 wanted=$(echo "${1#*=}" | tr -d - | tr A-F a-f) ;;
    esac
    set +f
    for folder in /sys/class/block/*; do
        set -f
        device=/dev/${folder##*/}
        [ -b "$device" ] && [ "$(hex_bytes "$device" 1080 2)" = 53ef ] || continue
        seen=$(hex_bytes "$device" "$place" 16)
        case $1 in LABEL=*) seen=$(echo "$seen" | sed 's/\(00\)*$//') ;; esac
        if [ "$seen" = "$wanted" ]; then
            echo "$device"
            return
        fi
    done
    set -f
}

find_root() {
    case $root in
        LABEL=* | UUID=*)
            if [ -x /bin/findfs ]; then device=$(findfs "$root" 2>/dev/null); else device=$(ext_by_name "$root"); fi
            ;;
        PARTUUID=*) device=$(partition_by_uuid "${root#*=}") ;;
        PARTLABEL=*) device=$(partition_by_label "${root#*=}") ;;
        *) device=$root ;;
    esac
    [ -n "$device" ] && [ -b "$device" ]
}

stop_at premount
[ -n "$root" ] || fail "the command line names no root="

# What no device asks for: file systems and their checksums.
# shellcheck disable=SC2046 # one module a word
modprobe -q -a $(cat /etc/modules)

log "looking for $root"
began=$(uptime_seconds) told=0
load_drivers
until find_root; do
    waited=$(($(uptime_seconds) - began))
    [ "$waited" -lt "$patience" ] || fail "$root has not appeared within $patience seconds"
    if [ "$waited" -ge $((told + 15)) ]; then
        warn "still waiting for $root ($waited of $patience seconds)"
        told=$waited
    fi
    sleep 0.2
    load_drivers
done

mounted=''
for type in ${types:-ext4 auto}; do
    mount -t "$type" -o "$access$flags" "$device" /root 2>/tmp/error || continue
    mounted=yes
    break
done
[ -n "$mounted" ] || fail "could not mount $device ($root): $(cat /tmp/error)"

# A link in the root may lead to an absolute path, which cannot be followed from here.
runs() { [ -x "/root$1" ] || [ -L "/root$1" ]; }
if [ -z "$init" ]; then
    for init in /sbin/init /etc/init /bin/init /bin/sh; do runs "$init" && break; done
fi
runs "$init" || fail "$device ($root) has no $init"
stop_at bottom

for folder in dev proc sys; do
    [ -d "/root/$folder" ] || fail "$device ($root) has no folder /$folder"
done
read -r seconds rest </proc/uptime
log "$device is the root, starting $init after $seconds s"
for folder in dev proc sys; do mount -o move "/$folder" "/root/$folder"; done
exec switch_root -c /dev/console /root "$init" "$@"
