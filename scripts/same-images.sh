#!/bin/bash
# Shows that a change leaves images as they are: builds the recipes before and after it, from the same locks and passwords, and compares.
#
#     scripts/same-images.sh save FOLDER [RECIPE...]   on the commit before: builds the recipes (recipes/*.yaml), keeps images and locks
#     scripts/same-images.sh compare FOLDER            on the commit after: builds the same ones; ends with 1 when one differs
#     PIFORGE=FILE CACHE=DIR                           the program (.build/release/piforge), and its cache (piforge's own)
#
# A recipe that cannot be built here, because its stock image or an accepted file is out of reach, is named with the reason and left out.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
piforge=${PIFORGE:-$repository/.build/release/piforge}
options=()
[ -z "${CACHE:-}" ] || options=(--cache "$CACHE")

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | head -n -1 >&2; exit 2; }
[ $# -ge 2 ] || usage
command=$1
mkdir -p "$2"
folder=$(realpath "$2")
shift 2
work=$(mktemp -d "${TMPDIR:-/var/tmp}/same-images.XXXXXX")
trap 'rm -rf "$work"' EXIT

# place RECIPE: copies a recipe, with the folders that recipes share, to where the kept lock and passwords are used.
place() {
    local name around
    name=$(basename "$1" .yaml)
    around=$(dirname "$(realpath "$1")")
    rm -rf "${work:?}/in"
    mkdir -p "$work/in/recipes" "$work/out"
    cp -a "$around/." "$work/in/recipes/"
    for part in kernel-configs overlays; do
        [ ! -d "$around/../$part" ] || cp -a "$around/../$part" "$work/in/"
    done
    for kept in lock kernel.lock; do
        [ ! -e "$folder/$name.$kept" ] || cp "$folder/$name.$kept" "$work/in/recipes/$name.$kept"
    done
    [ ! -e "$folder/$name.credentials" ] || cp -p "$folder/$name.credentials" "$work/out/"
}

# build NAME: the image of a recipe in its place; what stopped it in $work/said.
build() { "$piforge" build "$work/in/recipes/$1.yaml" -o "$work/out" "${options[@]}" </dev/null >"$work/said" 2>&1; }
sum() { sha256sum <"$1" | cut -d ' ' -f 1; }

# After a build, where the recipe's own lock could not be used the one that was lies beside the image.
keep() {
    local name=$1 kept
    for kept in lock kernel.lock; do
        for from in "$work/in/recipes" "$work/out"; do
            [ ! -e "$from/$name.$kept" ] || cp "$from/$name.$kept" "$folder/$name.$kept"
        done
    done
    [ ! -e "$work/out/$name.credentials" ] || cp -p "$work/out/$name.credentials" "$folder/"
    mv "$work/out/$name.img.xz" "$folder/"
}

case $command in
save)
    [ $# -gt 0 ] || set -- "$repository"/recipes/*.yaml
    : >"$folder/recipes.txt"
    for recipe in "$@"; do
        name=$(basename "$recipe" .yaml)
        place "$recipe"
        if build "$name"; then
            keep "$name"
            realpath "$recipe" >>"$folder/recipes.txt"
            echo "$(sum "$folder/$name.img.xz")  $name"
        else
            echo "not built: $name: $(grep -m 1 '^piforge: ' "$work/said" || tail -n 1 "$work/said")"
        fi
    done
    [ -s "$folder/recipes.txt" ] || { echo "same-images: no recipe could be built" >&2; exit 1; }
    ;;
compare)
    [ -s "$folder/recipes.txt" ] || { echo "same-images: $folder has no images; next: $0 save $folder" >&2; exit 2; }
    different=0
    while read -r recipe; do
        name=$(basename "$recipe" .yaml)
        place "$recipe"
        if ! build "$name"; then
            cat "$work/said" >&2
            echo "different: $name: it was built before, and is not now"
            different=1
        elif cmp -s "$folder/$name.img.xz" "$work/out/$name.img.xz"; then
            echo "same: $name: $(sum "$folder/$name.img.xz")"
        else
            echo "different: $name: $(sum "$folder/$name.img.xz") before, $(sum "$work/out/$name.img.xz") now"
            "$piforge" diff "$folder/$name.img.xz" "$work/out/$name.img.xz" || true
            different=1
        fi
        rm -f "$work/out/$name".*
    done <"$folder/recipes.txt"
    exit $different
    ;;
*) usage ;;
esac
