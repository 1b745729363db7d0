#!/bin/bash
# The usual hand-made script, for comparison: a raw disk on a loop device, debootstrap in two stages, apt-get in a chroot where
# qemu-user runs the programs, and xz over the whole.
#
#     loop-chroot.sh PACKAGES WORK    makes WORK/loop.img.xz of the packages in WORK/archives (`baseline.sh fetch PACKAGES WORK`)
#
# PACKAGES is a file with one package name a line. Runs as root, with loop devices and binfmt_misc; DEBIAN_MIRROR and SUITE may be set.
# Where the kernel has no vfat the boot partition is written with mtools; nothing else depends on the kernel that runs this.
set -euo pipefail

packages=$1
work=$(cd "$2" && pwd)
suite=${SUITE:-trixie}
mirror=${DEBIAN_MIRROR:-$("$(dirname "$0")/../scripts/debian-mirror.sh" | head -n 1)}
mirror=${mirror%/}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
boot_mib=256
size_mib=${SIZE_MIB:-2560}
disk=$work/loop.img
root=$work/mnt
boot_start=2048
root_start=$((boot_start + boot_mib * 2048))
boot_loop='' root_loop=''

clean_up() {
    local point
    for point in boot/firmware dev/pts dev sys proc ''; do
        if mountpoint -q "$root/$point"; then umount "$root/$point" || umount -l "$root/$point"; fi
    done
    [ -z "$root_loop" ] || losetup -d "$root_loop" || true
    [ -z "$boot_loop" ] || losetup -d "$boot_loop" || true
    boot_loop='' root_loop=''
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

in_root() { DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$root" "$@"; }

rm -f "$disk" "$disk.xz"
mkdir -p "$root"
truncate -s "${size_mib}M" "$disk"
printf '%s\n' 'label: dos' "start=$boot_start, size=$((boot_mib * 2048)), type=c, bootable" "start=$root_start, type=83" |
    sfdisk -q "$disk"
boot_loop=$(losetup --show -f -o $((boot_start * 512)) --sizelimit $((boot_mib << 20)) "$disk")
root_loop=$(losetup --show -f -o $((root_start * 512)) "$disk")
# -I: a stretch of a disk, not a whole one.
mkfs.fat -I -F 32 -n BOOT "$boot_loop" >/dev/null
mkfs.ext4 -q -L writable "$root_loop"
mount "$root_loop" "$root"
mkdir -p "$root/boot/firmware"
fat_mounted=no
if mount -t vfat "$boot_loop" "$root/boot/firmware" 2>/dev/null; then fat_mounted=yes; fi

debootstrap --foreign --arch=arm64 --variant=minbase --keyring="$keyring" --components=main,non-free-firmware \
    --cache-dir="$work/archives" "$suite" "$root" "$mirror"
in_root /debootstrap/debootstrap --second-stage

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --bind /dev "$root/dev"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# apt in the chroot needs the host's way to names.
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cat >"$root/etc/apt/sources.list" <<SOURCES
deb $mirror $suite main non-free-firmware
deb $mirror $suite-updates main non-free-firmware
deb ${mirror%/debian}/debian-security $suite-security main non-free-firmware
SOURCES
cp "$work"/archives/*.deb "$root/var/cache/apt/archives/"
in_root apt-get -q update
mapfile -t names <"$packages"
in_root apt-get -q -y --no-install-recommends install "${names[@]}"
in_root apt-get clean
rm -f "$root/usr/sbin/policy-rc.d"
rm -rf "$root"/var/lib/apt/lists/*

if [ $fat_mounted = no ]; then
    find "$root/boot/firmware" -maxdepth 1 -type f -exec mcopy -o -i "$boot_loop" {} :: \;
fi
clean_up
xz -T0 -6 "$disk"
