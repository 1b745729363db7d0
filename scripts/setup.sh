#!/bin/bash
# Installs the Debian packages that piforge needs and builds it; the second run finds nothing to do.
#
#     scripts/setup.sh [--with PACKAGE_LIST] [--no-build]
set -euo pipefail
cd "$(dirname "$0")/.."

lists=(scripts/packages.txt)
build=yes
while [ $# -gt 0 ]; do
    case $1 in
    --with) lists+=("$2"); shift 2 ;;
    --no-build) build=no; shift ;;
    *) echo "setup: unknown option $1" >&2; exit 2 ;;
    esac
done

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

# The least QEMU that has the raspi4b machine.
least_qemu=1:9

# Packages -----------------------------------------------------------------------------------------------------------

mapfile -t wanted < <(sed 's/#.*//' "${lists[@]}" | awk 'NF { print $1 }')
declare -A version=()
while read -r name state number; do
    [ "$state" = installed ] && version[$name]=$number
done < <(dpkg-query -W -f '${Package} ${db:Status-Status} ${Version}\n' "${wanted[@]}" qemu-system-arm 2>/dev/null || true)

missing=()
for name in "${wanted[@]}"; do
    [ -n "${version[$name]:-}" ] || missing+=("$name")
done
new_qemu() { dpkg --compare-versions "${1:-0}" ge "$least_qemu"; }
qemu=yes
new_qemu "${version[qemu-system-arm]:-0}" || qemu=no

# Runs a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "packages are missing and there is no sudo; run as root: apt-get install ${missing[*]} qemu-system-arm"
    fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q "$@" </dev/null; }

# Refreshes apt's lists. A broken source of a third party is passed over; a broken one of Debian's is not.
update_lists() {
    local log uri broken='^(E:|Err:)|Failed to fetch'
    log=$(mktemp)
    if ! apt_get -o APT::Update::Error-Mode=any update >"$log" 2>&1; then
        while read -r uri; do
            if grep -E "$broken" "$log" | grep -qF "${uri%/}"; then
                cat "$log" >&2
                rm -f "$log"
                fail "apt-get update failed for Debian's archive; see above"
            fi
        done < <(scripts/debian-mirror.sh "$codename")
        if ! grep -E "$broken" "$log" | grep -q '://'; then
            cat "$log" >&2
            rm -f "$log"
            fail "apt-get update failed; see above"
        fi
        say "a source that is not Debian's could not be refreshed; going on without it:"
        grep -E "$broken" "$log" | grep '://' | head -n 3 || true
    fi
    rm -f "$log"
}

# Whether apt knows a version of QEMU that is new enough.
qemu_offered() {
    local offered
    for offered in $(apt-cache madison qemu-system-arm | awk -F'|' '{ gsub(/ /, "", $2); print $2 }'); do
        new_qemu "$offered" && return 0
    done
    return 1
}

add_backports() {
    local mirror file=/etc/apt/sources.list.d/piforge-backports.sources
    mirror=$(scripts/debian-mirror.sh "$codename" | head -n 1) || true
    [ -n "$mirror" ] || fail "there is no mirror to take backports from; install QEMU 9 or newer (qemu-system-arm) by hand"
    say "adding $codename-backports from $mirror for QEMU (in $file)"
    as_root tee "$file" >/dev/null <<SOURCE
# Added by piforge's make setup: the release's own QEMU has no raspi4b machine.
Types: deb
URIs: $mirror
Suites: $codename-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCE
    update_lists
}

install_qemu() {
    local candidate
    qemu_offered || add_backports
    qemu_offered || fail "no QEMU 9 or newer is offered for this system; install qemu-system-arm by hand"
    candidate=$(apt-cache policy qemu-system-arm | awk '$1 == "Candidate:" { print $2 }')
    if new_qemu "$candidate"; then
        apt_get install -y --no-install-recommends qemu-system-arm
    else
        apt_get install -y --no-install-recommends -t "$codename-backports" qemu-system-arm
    fi
}

# Debian starts a web server as soon as it is installed. The tests want the program, not the service.
services=()
for name in "${missing[@]}"; do [ "$name" != nginx ] || services+=("$name.service"); done
hold_services() {
    [ ${#services[@]} = 0 ] || [ ! -d /run/systemd/system ] || as_root systemctl --quiet mask "${services[@]}"
}
release_services() {
    [ ${#services[@]} = 0 ] || [ ! -d /run/systemd/system ] || {
        as_root systemctl --quiet unmask "${services[@]}"
        as_root systemctl --quiet disable "${services[@]}"
        say "${services[*]} is neither started nor enabled"
    }
}

if [ ${#missing[@]} -gt 0 ] || [ $qemu = no ]; then
    command -v apt-get >/dev/null || fail "this is no Debian system; install by hand: ${missing[*]} QEMU 9 or newer"
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    say "installing:"
    for name in "${missing[@]}"; do sed -n "s/^\($name \)/    \1/p" "${lists[@]}"; done
    [ $qemu = yes ] || echo "    qemu-system-arm         9 or newer: the machines that images are built and booted on"
    update_lists
    hold_services
    [ ${#missing[@]} = 0 ] || apt_get install -y --no-install-recommends "${missing[@]}"
    release_services
    [ $qemu = yes ] || install_qemu
fi

# The program --------------------------------------------------------------------------------------------------------

[ $build = yes ] || exit 0
stamp=.build/setup.stamp
if [ -x .build/release/piforge ] && [ -e $stamp ] \
    && [ -z "$(find -L Sources Package.swift -newer $stamp -print -quit)" ]; then
    exit 0
fi
if ! command -v swift >/dev/null; then
    fail "Swift 6.2 or newer is needed; get it from https://www.swift.org/install/linux and put it on the PATH"
fi
say "building piforge (some minutes, once)"
started=$(mktemp)
swift build -c release --product piforge
touch -r "$started" $stamp
rm -f "$started"
say "done: .build/release/piforge"
