#!/bin/bash
# Builds an image again where all differs that must not matter, and compares every byte of every output.
#
#     scripts/reproduce.sh RECIPE                           builds it thrice: plainly, elsewhere, and from a warm cache
#     scripts/reproduce.sh RECIPE --first OUT --cache DIR   takes OUT, made with the cache DIR, for the first one
#     WORK=DIR                                              where to work (.build/reproduce)
#
# "Elsewhere" has another folder, user (where root runs this), umask, time zone, language, number of jobs, an empty cache but for
# the downloads, a clock that is 400 days ahead, and folders that list their names backwards. The last two reach the programs that
# piforge runs, too: both are preloaded by a copy of /etc in a mount namespace. Where there is no such namespace to be had, only
# piforge itself sees them, and that is said.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
say() { echo "reproduce: $*"; }
fail() { echo "reproduce: $*" >&2; exit 1; }

recipe=
first=
cache=
while [ $# -gt 0 ]; do
    case $1 in
    --first) first=$(realpath "$2"); shift 2 ;;
    --cache) cache=$(realpath "$2"); shift 2 ;;
    -*) echo "reproduce: unknown option $1" >&2; exit 2 ;;
    *) recipe=$(realpath "$1"); shift ;;
    esac
done
[ -n "$recipe" ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | head -n -1; exit 2; }
[ -z "$first" ] || [ -n "$cache" ] || fail "--first needs --cache"
name=$(basename "$recipe" .yaml)
work=${WORK:-$repository/.build/reproduce}/$name
piforge=${PIFORGE:-$repository/.build/release/piforge}
faketime=$(find /usr/lib/*/faketime /usr/lib/faketime -name libfaketime.so.1 2>/dev/null | head -n 1 || true)
[ -n "$faketime" ] || fail "libfaketime is not installed; next: make setup"
rm -rf "$work"
mkdir -p "$work"
trap 'rm -rf "$work/elsewhere" "$work/warm" "$work/preload"' EXIT

if [ -z "$first" ]; then
    first=$work/first
    cache=$work/cache
    say "a first build"
    "$piforge" fetch "$recipe" --cache "$cache" -o "$first"
    "$piforge" build "$recipe" --offline --cache "$cache" -o "$first"
fi
# The packages that were chosen because a mirror no longer has those of the lock.
lock=$first/$name.lock
[ -e "$lock" ] || lock=${recipe%.yaml}.lock

# prepare FOLDER: a copy of the recipe and of what lies around it, with what both builds are given.
prepare() {
    mkdir -p "$1/recipes" "$1/out" "$1/cache"
    cp -a "$piforge" "$1/piforge"
    for part in recipes kernel-configs overlays; do
        [ ! -d "$(dirname "$recipe")/../$part" ] || cp -a "$(dirname "$recipe")/../$part" "$1/"
    done
    cp -a "$recipe" "$1/recipes/"
    [ ! -e "$lock" ] || cp "$lock" "$1/recipes/$name.lock"
    # Passwords that were made up are an input of both.
    [ ! -e "$first/$name.credentials" ] || cp -p "$first/$name.credentials" "$1/out/"
}

# Elsewhere ----------------------------------------------------------------------------------------------------------

# The kernel's own Makefile takes no blanks.
elsewhere="$work/elsewhere/ein-anderer-Ort,größer"
prepare "$elsewhere"
cp -a "$cache/store" "$elsewhere/cache/store"
[ ! -d "$cache/ccache" ] || cp -a "$cache/ccache" "$elsewhere/cache/ccache"
mkdir -p "$work/preload"
cc -shared -fPIC -O2 -Wall -Werror -o "$work/preload/reversed-readdir.so" "$repository/scripts/reversed-readdir.c" -ldl
cp "$faketime" "$work/preload/libfaketime.so.1"
chmod 755 "$work/preload" "$work/preload"/*
user=()
if [ "$(id -u)" = 0 ]; then
    cc -static -O2 -Wall -Werror -o "$work/preload/as-user" "$repository/scripts/as-user.c"
    chown -R 64999:64999 "$elsewhere"
    # The way to the folder must be open to that user.
    elsewhere_root=$(mktemp -d /var/tmp/piforge-reproduce.XXXXXX)
    trap 'rm -rf "$work/elsewhere" "$work/warm" "$work/preload" "$elsewhere_root"' EXIT
    chmod 755 "$elsewhere_root"
    mv "$elsewhere" "$elsewhere_root/"
    elsewhere="$elsewhere_root/$(basename "$elsewhere")"
    mv "$work/preload" "$elsewhere_root/preload"
    preload=$elsewhere_root/preload
    # The nobody of other builds may be this one's somebody: any number will do.
    user=("$preload/as-user" 64999)
else
    preload=$work/preload
fi

unshare=(unshare --mount)
[ "$(id -u)" = 0 ] || unshare=(unshare --user --map-current-user --mount)
if "${unshare[@]}" true 2>/dev/null; then
    cp -a /etc "$preload/etc" 2>/dev/null || true
    printf '%s\n' "$preload/libfaketime.so.1" "$preload/reversed-readdir.so" >"$preload/etc/ld.so.preload"
    echo "+400d" >"$preload/etc/faketimerc"
    export PRELOAD=$preload
    around=("${unshare[@]}" sh -c 'mount --bind "$PRELOAD/etc" /etc && exec "$@"' sh)
else
    say "no mount namespace here: the clock and the order of folders differ for piforge itself, not for the programs it runs"
    around=(env "LD_PRELOAD=$preload/libfaketime.so.1:$preload/reversed-readdir.so" FAKETIME=+400d)
fi
say "the same elsewhere: ${user:+user 64999, }umask 077, Pacific/Kiritimati, tr_TR, one job, an empty cache, 400 days later"
(
    umask 077
    cd /
    env TZ=Pacific/Kiritimati LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 HOME=/nonexistent "${around[@]}" "${user[@]}" sh -c 'echo "reproduce: the clock there says $(date +%F)"; exec "$@"' sh \
        "$elsewhere/piforge" build "$elsewhere/recipes/$name.yaml" --offline --jobs 1 --cache "$elsewhere/cache" -o "$elsewhere/out"
)

# Warm ---------------------------------------------------------------------------------------------------------------

warm=$work/warm
prepare "$warm"
say "the same from the first one's cache"
"$piforge" build "$warm/recipes/$name.yaml" --offline --cache "$cache" -o "$warm/out" --jobs 3

# Compare ------------------------------------------------------------------------------------------------------------

status=0
# compare WHERE FOLDER: every output but logs, credentials and signatures.
compare() {
    local file found=0
    for file in "$first/$name".*; do
        case $file in *.log | *.lock | *.credentials | *.asc | *.gpg | *.sig | *.minisig) continue ;; esac
        found=$((found + 1))
        cmp -s "$file" "$2/$(basename "$file")" && continue
        status=1
        say "$1: $(basename "$file") differs"
        case $file in
        *.img.xz)
            if cmp -s <(xz -dc "$file") <(xz -dc "$2/$(basename "$file")"); then
                say "$1: the disks are the same; the compression differs"
            else
                "$piforge" diff "$file" "$2/$(basename "$file")" || true
                ! command -v diffoscope >/dev/null || diffoscope --max-report-size 100000 "$file" "$2/$(basename "$file")" || true
            fi
            ;;
        *) diff -u "$file" "$2/$(basename "$file")" | head -n 40 || true ;;
        esac
    done
    [ "$found" -gt 0 ] || fail "$first holds nothing of $name"
    [ "$status" != 0 ] || say "$1: $found files are the same, byte for byte"
}
compare elsewhere "$elsewhere/out"
compare "warm cache" "$warm/out"
exit $status
