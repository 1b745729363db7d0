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

usage() { sed -n '2,/^set/s/^#\( \|$\)//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
command=$1
folder=$(realpath -m "$2")
# A folder of its own: what is in it is replaced.
if [ -e "$folder" ] && [ ! -e "$folder/recipes.txt" ] && [ -n "$(ls -A "$folder")" ]; then
    echo "same-images: $folder: the folder holds other things; next: name one that is empty, or not there" >&2
    exit 2
fi
[ "$command" != save ] || mkdir -p "$folder"
shift 2
work=$(mktemp -d "${TMPDIR:-/var/tmp}/same-images.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Of each recipe, by its file's name: its locks, its images, and the passwords that were made for them.
base() { local name; name=$(basename "$1"); echo "${name%.*}"; }
kept() { echo "$folder/$(base "$1")"; }

# place RECIPE: copies a recipe, with the folders that recipes share, to where the kept lock and passwords are used.
place() {
    local kept around
    kept=$(kept "$1")
    around=$(dirname "$(realpath "$1")")
    rm -rf "${work:?}/in" "${work:?}/out"
    mkdir -p "$work/in/recipes" "$work/out"
    cp -a "$around/." "$work/in/recipes/"
    for part in kernel-configs overlays; do
        [ ! -d "$around/../$part" ] || cp -a "$around/../$part" "$work/in/"
    done
    [ -d "$kept" ] || return 0
    find "$kept" -name '*.lock' -exec cp -p -t "$work/in/recipes" {} +
    find "$kept" -name '*.credentials' -exec cp -p -t "$work/out" {} +
}

# build RECIPE: the images of a recipe in its place; what stopped it in $work/said.
build() {
    "$piforge" build "$work/in/recipes/$(basename "$1")" -o "$work/out" "${options[@]}" </dev/null >"$work/said" 2>&1
}
sum() { sha256sum <"$1" | cut -d ' ' -f 1; }

# After a build, where the recipe's own lock could not be used the one that was lies beside the image.
keep() {
    local kept base
    kept=$(kept "$1")
    rm -rf "$kept"
    base=$(base "$1")
    mkdir -p "$kept"
    find "$work/in/recipes" -maxdepth 1 \( -name "$base.lock" -o -name "$base.kernel.lock" \) -exec cp -t "$kept" {} +
    find "$work/out" -maxdepth 1 \( -name '*.lock' -o -name '*.credentials' \) -exec cp -p -t "$kept" {} +
    find "$work/out" -maxdepth 1 -name '*.img.xz' -exec mv -t "$kept" {} +
}

case $command in
save)
    [ $# -gt 0 ] || set -- "$repository"/recipes/*.yaml
    for recipe in "$@"; do
        [ -f "$recipe" ] || { echo "same-images: $recipe: there is no such recipe" >&2; exit 2; }
    done
    twice=$(for recipe in "$@"; do base "$recipe"; done | sort | uniq -d)
    [ -z "$twice" ] || { echo "same-images: two recipes have the file name $twice" >&2; exit 2; }
    : >"$folder/recipes.txt"
    for recipe in "$@"; do
        place "$recipe"
        if build "$recipe"; then
            keep "$recipe"
            realpath "$recipe" >>"$folder/recipes.txt"
            for image in "$(kept "$recipe")"/*.img.xz; do echo "$(sum "$image")  $(basename "$image")"; done
        else
            echo "not built: $recipe: $(grep -m 1 '^piforge: ' "$work/said" || tail -n 1 "$work/said")"
        fi
    done
    [ -s "$folder/recipes.txt" ] || { echo "same-images: no recipe could be built" >&2; exit 1; }
    ;;
compare)
    [ -s "$folder/recipes.txt" ] || { echo "same-images: $folder has no images; next: $0 save $folder" >&2; exit 2; }
    different=0
    while read -r recipe; do
        place "$recipe"
        if ! build "$recipe"; then
            cat "$work/said" >&2
            echo "different: $recipe: it was built before, and is not now"
            different=1
            continue
        fi
        for now in "$work/out"/*.img.xz; do
            name=$(basename "$now")
            [ -e "$(kept "$recipe")/$name" ] || { echo "different: $name: $recipe did not make it before"; different=1; }
        done
        for before in "$(kept "$recipe")"/*.img.xz; do
            name=$(basename "$before")
            now=$work/out/$name
            if [ ! -e "$now" ]; then
                echo "different: $name: $recipe does not make it now"
                different=1
            elif cmp -s "$before" "$now"; then
                echo "same: $name: $(sum "$before")"
            else
                echo "different: $name: $(sum "$before") before, $(sum "$now") now"
                "$piforge" diff "$before" "$now" || true
                different=1
            fi
        done
    done <"$folder/recipes.txt"
    exit $different
    ;;
*) usage ;;
esac
