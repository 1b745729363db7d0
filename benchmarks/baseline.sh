#!/bin/bash
# The usual way to an arm64 image, for comparison: mmdebstrap under qemu-user, ext4 and FAT file systems, an MBR disk, xz.
#
#     baseline.sh fetch PACKAGES WORK      downloads the packages into WORK/archives (not timed)
#     baseline.sh build PACKAGES WORK      makes WORK/baseline.img.xz from them
#
# PACKAGES is a file with one package name a line. Runs as root; DEBIAN_MIRROR and SUITE may be set.
set -euo pipefail

action=$1
packages=$2
work=$3
suite=${SUITE:-trixie}
mirror=${DEBIAN_MIRROR:-$("$(dirname "$0")/../scripts/debian-mirror.sh" | head -n 1)}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=${mirror%/}
mkdir -p "$work/archives"
work=$(cd "$work" && pwd)

sources() {
    echo "deb [signed-by=$keyring] $mirror $suite main non-free-firmware"
    echo "deb [signed-by=$keyring] $mirror $suite-updates main non-free-firmware"
    echo "deb [signed-by=$keyring] ${mirror%/debian}/debian-security $suite-security main non-free-firmware"
}

fetch() {
    local apt=$work/apt
    mkdir -p "$apt"/{lists/partial,etc} "$work/archives/partial"
    : >"$apt/status"
    sources >"$apt/etc/sources.list"
    cat >"$apt/apt.conf" <<CONF
Dir "$apt";
Dir::State::status "$apt/status";
Dir::State::lists "$apt/lists";
Dir::Cache::archives "$work/archives";
Dir::Etc "$apt/etc";
Dir::Etc::sourcelist "$apt/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::trustedparts "-";
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
CONF
    APT_CONFIG=$apt/apt.conf apt-get -q update
    APT_CONFIG=$apt/apt.conf xargs -a "$packages" apt-get -q -y --download-only install
}

build() {
    local root=$work/root
    rm -rf "$root" "$work"/*.img "$work"/*.img.xz
    # The downloads are put where apt looks for them, and are kept out of the image (mmdebstrap(1), "EXAMPLES").
    # shellcheck disable=SC2016 # $1 is mmdebstrap's to fill in.
    sources | mmdebstrap --mode=root --architectures=arm64 --variant=apt --format=directory \
        --include="$(paste -sd, "$packages")" --aptopt='APT::Install-Recommends "false"' \
        --skip=download/empty --skip=essential/unlink \
        --setup-hook='mkdir -p "$1"/var/cache/apt/archives/' \
        --setup-hook="sync-in '$work/archives' /var/cache/apt/archives/" \
        "$suite" "$root" -
    rm -rf "$root"/var/cache/apt/archives/*.deb

    local boot_mib=256 size_mib
    size_mib=$(($(du -sm "$root" | cut -f1) * 5 / 4 + 256))
    truncate -s "${boot_mib}M" "$work/boot.img"
    mformat -i "$work/boot.img" -F -v BOOT ::
    find "$root/boot" -maxdepth 1 -type f -exec mcopy -i "$work/boot.img" {} :: \;
    truncate -s "${size_mib}M" "$work/root.img"
    mke2fs -q -t ext4 -L writable -d "$root" "$work/root.img"
    truncate -s "$((boot_mib + size_mib + 1))M" "$work/baseline.img"
    printf '%s\n' 'label: dos' "start=2048, size=$((boot_mib * 2048)), type=c, bootable" \
        "start=$((2048 + boot_mib * 2048)), type=83" | sfdisk -q "$work/baseline.img"
    dd if="$work/boot.img" of="$work/baseline.img" bs=1M seek=1 conv=notrunc,sparse status=none
    dd if="$work/root.img" of="$work/baseline.img" bs=1M seek=$((boot_mib + 1)) conv=notrunc,sparse status=none
    rm -f "$work/boot.img" "$work/root.img"
    xz -T0 -6 "$work/baseline.img"
    rm -rf "$root"
}

case $action in
fetch) fetch ;;
build) build ;;
*) echo "baseline: unknown action $action" >&2; exit 2 ;;
esac
