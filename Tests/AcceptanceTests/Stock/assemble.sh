#!/bin/bash
# Gives the stand-in the layout of Ubuntu's stock image for the Pi, with tools that are not piforge's:
#
#     assemble.sh STAND-IN.img.xz OUT.img.xz
#
# Sector 2048: 256 MiB of FAT32 `system-boot`, type 0c, active, with U-Boot's files; sector 526336: ext4 `writable`, type 83.
# Packed as one .xz block, as `xz` packs with one thread. Needs no root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
made=$1 out=$2
work=$(mktemp -d "$(dirname "$out")/assemble.XXXXXX")
trap 'rm -rf "$work"' EXIT
export TZ=UTC LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1

xz -dc "$made" >"$work/made.img"
read -r boot_start _ root_start root_size < <(sfdisk -J "$work/made.img" | python3 -c '
import json, sys
parts = json.load(sys.stdin)["partitiontable"]["partitions"]
print(*[value for part in parts for value in (part["start"], part["size"])])')
dd if="$work/made.img" of="$work/root.ext4" bs=512 skip="$root_start" count="$root_size" conv=sparse status=none

# What piforge itself added is not in a stock image.
cat >"$work/remove" <<'COMMANDS'
rm /usr/lib/systemd/system/sysinit.target.wants/piforge-grow.service
rm /usr/lib/systemd/system/ssh.service.wants/piforge-host-keys.service
rm /usr/lib/systemd/system/ssh.socket.wants/piforge-host-keys.service
rm /usr/lib/systemd/system/piforge-host-keys.service
rm /usr/lib/systemd/system/piforge-grow.service
rm /usr/lib/piforge/make-host-keys
rm /usr/lib/piforge/grow-root
rm /etc/systemd/network/20-wired.network
rm /etc/systemd/system/multi-user.target.wants/systemd-networkd.service
rm /etc/ssh/sshd_config.d/10-piforge.conf
rm /etc/apt/apt.conf.d/50piforge
rm /etc/apt/sources.list.d/debian.sources
rm /etc/default/raspi-firmware-custom
rm /etc/default/raspi-extra-cmdline
cd /dev
mknod console c 5 1
mkdir /srv/stock
ea_set /srv/stock user.note kept
cd /srv/stock
symlink long /a/very/long/target/that/does/not/fit/into/the/inode/and/so/has/a/block/of/its/own
mknod pipe p
COMMANDS
debugfs -w -f "$work/remove" "$work/root.ext4" >"$work/debugfs.log" 2>&1
for path in /srv/stock/pipe /srv/stock/long; do
    debugfs -R "stat $path" "$work/root.ext4" 2>/dev/null | grep -q '^Inode:' || { cat "$work/debugfs.log" >&2; exit 1; }
done
e2fsck -fy "$work/root.ext4" >"$work/e2fsck.log" 2>&1 || [ $? -eq 1 ]
e2fsck -fn "$work/root.ext4" >/dev/null

# The boot partition, made anew: U-Boot in the kernel's place, and the stock kernel for it to start.
truncate -s 256M "$work/boot.fat"
mkfs.fat -F 32 -n system-boot -i 53544f43 "$work/boot.fat" >/dev/null
put() { mcopy -Q -i "$work/boot.fat" "$@"; }
put "$here"/boot/*.txt ::
printf 'not really U-Boot\n' | put - ::kernel8.bin
debugfs -R "ls -p /boot" "$work/root.ext4" 2>/dev/null | awk -F/ '$6 ~ /^(vmlinuz|initrd.img)-/ { print $6 }' \
    | while read -r name; do
        debugfs -R "dump /boot/$name $work/file" "$work/root.ext4" 2>/dev/null
        put "$work/file" "::${name%%-*}"
    done
mcopy -Q -i "$work/made.img@@$((boot_start * 512))" ::bootcode.bin "$work/bootcode.bin" 2>/dev/null \
    || printf 'stand-in\n' >"$work/bootcode.bin"
put "$work/bootcode.bin" ::
mmd -i "$work/boot.fat" ::overlays
put "$work/bootcode.bin" ::overlays/stock-only.dtbo
fsck.fat -n "$work/boot.fat" >/dev/null

truncate -s $(((526336 + root_size) * 512)) "$work/stock.img"
sfdisk -q "$work/stock.img" <<TABLE
label: dos
label-id: 0x68a2b8f7
start=2048, size=524288, type=c, bootable
start=526336, size=$root_size, type=83
TABLE
dd if="$work/boot.fat" of="$work/stock.img" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$work/root.ext4" of="$work/stock.img" bs=1M seek=257 conv=notrunc,sparse status=none
xz -T1 -0 -c "$work/stock.img" >"$work/stock.img.xz"
mv "$work/stock.img.xz" "$out"
