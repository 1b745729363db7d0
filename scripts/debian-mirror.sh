#!/bin/bash
# Prints the URIs of Debian's own archive as this machine's apt has them, one a line: `debian-mirror.sh [CODENAME] [APT_FOLDER]`.
# The first is the main archive's. Sources of third parties are passed over: they have other components, or another key.
set -euo pipefail

codename=${1:-$(. /etc/os-release && echo "${VERSION_CODENAME:-}")}
folder=${2:-/etc/apt}

# One line a source: kind | options | URIs | suites | components.
list_sources() {
    shopt -s nullglob
    local file
    for file in "$folder"/sources.list.d/*.sources; do
        awk '
            function flush() {
                if (types ~ /(^| )deb( |$)/ && enabled != "no") print "deb|" key "|" uris "|" suites "|" components
                types = uris = suites = components = key = enabled = field = ""
            }
            /^#/ { next }
            /^[ \t]*$/ { flush(); next }
            /^[ \t]/ { value = $0 }
            /^[^ \t]/ { field = tolower($0); sub(/:.*/, "", field); value = $0; sub(/^[^:]*:/, "", value) }
            {
                gsub(/[ \t]+/, " ", value); sub(/^ /, "", value); sub(/ $/, "", value)
                if (field == "types") types = types " " value
                if (field == "uris") uris = uris " " value
                if (field == "suites") suites = suites " " value
                if (field == "components") components = components " " value
                if (field == "signed-by") key = key " " value
                if (field == "enabled") enabled = tolower(value)
            }
            END { flush() }' "$file"
    done
    for file in "$folder"/sources.list "$folder"/sources.list.d/*.list; do
        [ -f "$file" ] || continue
        awk '
            { sub(/#.*/, "") }
            $1 == "deb" {
                key = ""; i = 2
                if ($2 ~ /^\[/) {
                    while (i <= NF) {
                        option = $i; gsub(/[][]/, "", option)
                        if (option ~ /^signed-by=/) { key = option; sub(/^signed-by=/, "", key) }
                        if ($(i++) ~ /\]$/) break
                    }
                }
                uri = $(i++); suite = $(i++); components = ""
                while (i <= NF) components = components " " $(i++)
                print "deb|" key "|" uri "|" suite "|" components
            }' "$file"
    done
}

list_sources | awk -F'|' -v codename="$codename" '
    function has(list, word) { return index(" " list " ", " " word " ") > 0 }
    $2 != "" && $2 !~ /debian-archive-[a-z0-9-]*keyring|debian-archive-keyring/ { next }
    !has($5, "main") { next }
    {
        base = has($4, codename); other = 0
        n = split("updates security backports", names, " ")
        for (i = 1; i <= n; i++) if (has($4, codename "-" names[i])) other = 1
        if (has($4, codename "/updates")) other = 1
        if (!base && !other) next
        n = split($3, uris, " ")
        for (i = 1; i <= n; i++) if (uris[i] ~ /\/debian(-security)?\/?$/ && !(uris[i] in seen)) {
            seen[uris[i]] = 1
            if (base) first[++firsts] = uris[i]; else second[++seconds] = uris[i]
        }
    }
    END {
        for (i = 1; i <= firsts; i++) print first[i]
        for (i = 1; i <= seconds; i++) print second[i]
        exit firsts ? 0 : 1
    }' || { echo "debian-mirror: found no source of Debian's ${codename:-release} in $folder" >&2; exit 1; }
