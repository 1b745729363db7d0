#!/bin/bash
# What `make check` runs: all of it, whatever fails, and then says what failed.
#
#     scripts/check.sh PIFORGE
set -uo pipefail
cd "$(dirname "$0")/.." || exit
piforge=$1
failed=()

check() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "check: $name: ok"
    else
        printf '%s\n' "$said"
        echo "check: $name: FAILED"
        failed+=("$name")
    fi
}

# Every tracked file that begins as a shell's script does. (awk would take a name with an equals sign for a variable.)
scripts() {
    git ls-files -z | sed -z 's|^|./|' | xargs -0 awk -v ORS='\0' \
        'FNR == 1 { if (/^#! *\/(usr\/)?bin\/(env +)?(ba|da|k)?sh( |$)/) print FILENAME; nextfile }'
}

# What is left out: an empty value in front of a command (SC1007), a and b or c where b does not fail (SC2015), single quotes that are
# another shell's (SC2016), and files of the machine that are read (SC1091).
shell_scripts() { scripts | xargs -0 shellcheck -x --severity=info --exclude=SC1007,SC1091,SC2015,SC2016; }

same_schema() { diff -u "$1" <("$piforge" recipe schema "${@:2}"); }

check "format (swift format -i -r Sources Tests Package.swift mends it)" swift format lint --strict -r Sources Tests Package.swift
check "shell scripts" shell_scripts
check "modules" scripts/check-modules.py
check "what the check of pages sees" scripts/test-check-docs.py
check "pages" scripts/check-docs.py "$piforge"
check "recipes/schema.json (piforge recipe schema)" same_schema recipes/schema.json
check "recipes/runtime-schema.json (piforge recipe schema --runtimes)" same_schema recipes/runtime-schema.json --runtimes

[ ${#failed[@]} = 0 ] || { echo "check: ${#failed[@]} failed" >&2; exit 1; }
