#!/usr/bin/python3
"""Holds Package.swift to what the sources import.

- A target declares the modules that its sources import, and no others.
- What a target depends on stands above it: arrows run downwards.
- A system library is imported by one module of Sources.
"""

import json
import pathlib
import re
import subprocess
import sys

IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|private|fileprivate)\s+)?"
    r"import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)",
    re.MULTILINE)

root = pathlib.Path(__file__).resolve().parent.parent


def dump():
    said = subprocess.run(["swift", "package", "dump-package"], cwd=root, capture_output=True, text=True)
    if said.returncode != 0:
        sys.exit(f"check-modules: swift package dump-package: {said.stderr.strip()}")
    return json.loads(said.stdout)


def folder(target):
    if target.get("path"):
        return root / target["path"]
    return root / ("Tests" if target["type"] == "test" else "Sources") / target["name"]


def dependencies(target):
    for entry in target["dependencies"]:
        (words,) = entry.values()
        yield words[0]


def imports(target):
    found = set()
    for path in sorted(folder(target).rglob("*.swift")):
        found.update(IMPORT.findall(path.read_text(encoding="utf-8")))
    return found


def main():
    targets = dump()["targets"]
    kinds = {target["name"]: target["type"] for target in targets}
    # Products of other packages are modules of the same name here, and so is every name that a target of ours depends on.
    known = set(kinds) | {name for target in targets for name in dependencies(target)}
    faults = []
    owners = {}
    above = set()
    for target in targets:
        name = target["name"]
        if target["type"] != "system":
            declared = set(dependencies(target))
            used = (imports(target) & known) - {name}
            for module in sorted(used - declared):
                faults.append(f"{name}: imports {module}, which Package.swift does not declare for it")
            # A test that drives a program depends on it and imports nothing of it.
            programs = {module for module in declared if kinds.get(module) == "executable"}
            for module in sorted(declared - used - programs):
                faults.append(f"{name}: declares {module}, and imports it nowhere")
            for module in sorted((declared & set(kinds)) - above):
                faults.append(f"{name}: depends on {module}, which stands below it in Package.swift")
            if target["type"] in ("regular", "executable") and folder(target).is_relative_to(root / "Sources"):
                for module in used:
                    if kinds.get(module) == "system":
                        owners.setdefault(module, []).append(name)
        above.add(name)
    for module, names in sorted(owners.items()):
        if len(names) > 1:
            faults.append(f"{module}: imported by {' and '.join(sorted(names))}, expected: one owner")
    for fault in faults:
        print(f"check-modules: {fault}")
    print(f"check-modules: {len(targets)} targets, {len(faults)} faults")
    sys.exit(1 if faults else 0)


main()
