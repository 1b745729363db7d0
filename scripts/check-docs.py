#!/usr/bin/python3
"""Holds the pages to what is there: links and their headings, targets of make, commands of piforge and their options. Holds the
program's help to 80 columns.

    scripts/check-docs.py PIFORGE

PIFORGE is the built program, which is asked for its own commands.
"""

import json
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
# Inline links and pictures, with a title or without; links by a name that is defined below; and the definitions.
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)")
REFERENCE = re.compile(r"(?<![\w\]`])\[([^\]]+)\]\[([^\]]*)\]")
DEFINITION = re.compile(r"\s{0,3}\[([^\]^][^\]]*)\]:\s*<?([^\s>]+)>?")
FENCE = re.compile(r"\s*(`{3,}|~{3,})")
ITEM = re.compile(r"\s*([-*+]|\d+[.)])\s")
COMMAND = re.compile(r"(?:^|[\s`(/])piforge((?:[ \t][^\s`|;&<>()]+)*)")
# Targets of the kernel's own Makefile, in the pages that speak of it.
KERNEL_TARGETS = {"allnoconfig", "defconfig", "install", "olddefconfig"}
KERNEL_PAGES = {
    "docs/kernel.md", "docs/decisions/011-kconfig-is-the-kernels-own.md", "docs/decisions/012-a-kernel-is-its-own-package.md"}


class Line:
    """A line of a page: with its number, and whether it is code as a whole. Lines that end in a backslash are one."""

    def __init__(self, number, text, is_code):
        self.number, self.text, self.is_code = number, text, is_code


def page_lines(text):
    found, fence, joined, in_list = [], None, None, False
    for number, line in enumerate(text.split("\n"), 1):
        mark = FENCE.match(line)
        if mark and fence is None:
            fence = mark[1]
            continue
        if mark and mark[1][0] == fence[0] and len(mark[1]) >= len(fence):
            fence = None
            continue
        if fence is None:
            # What is indented below an item belongs to the list.
            if ITEM.match(line):
                in_list = True
            elif line.strip() and not line.startswith(" "):
                in_list = False
        is_code = fence is not None or not in_list and bool(re.match(r"    |\t", line))
        if joined:
            joined.text += " " + line.strip()
            current = joined
        else:
            current = Line(number, line, is_code)
            found.append(current)
        joined = None
        if is_code and current.text.endswith("\\"):
            current.text = current.text[:-1].rstrip()
            joined = current
    return found


def without_remark(line):
    """A line of code without what a shell takes for a remark."""
    return re.sub(r"(^|\s)#.*", "", line.text) if line.is_code else line.text


def pages():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=root, capture_output=True, text=True, check=True).stdout
    untracked = subprocess.run(
        ["git", "ls-files", "-o", "--exclude-standard", "*.md"], cwd=root, capture_output=True, text=True,
        check=True).stdout
    return sorted({root / name for name in (listed + untracked).split("\n") if name})


def anchors(text):
    """The names that a heading can be linked by, as GitHub makes them."""
    found, seen = set(), {}
    for line in page_lines(text):
        heading = None if line.is_code else re.match(r"#{1,6}\s+(.*?)\s*#*$", line.text)
        if not heading:
            continue
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = seen.get(name, 0)
        seen[name] = count + 1
        found.add(name if count == 0 else f"{name}-{count}")
    return found


def check_target(page, place, target, faults):
    if re.match(r"[a-z]+:", target):
        return
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        faults.append(f"{place}: the link leads nowhere: {target}")
    elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
        faults.append(f"{place}: the page has no such heading: {target}")


def check_links(page, text, faults):
    lines = [line for line in page_lines(text) if not line.is_code]
    defined = {}
    for line in lines:
        match = DEFINITION.match(line.text)
        if match:
            defined[match[1].lower()] = match[2]
            check_target(page, f"{page.relative_to(root)}:{line.number}", match[2], faults)
    for line in lines:
        place = f"{page.relative_to(root)}:{line.number}"
        prose = re.sub(r"`[^`]*`", "``", line.text)
        for match in LINK.finditer(prose):
            check_target(page, place, match[1], faults)
        for match in REFERENCE.finditer(prose):
            if (match[2] or match[1]).lower() not in defined:
                faults.append(f"{place}: the link has no definition: {match[0]}")


def command_tree(program):
    said = subprocess.run([program, "--experimental-dump-help"], capture_output=True, text=True)
    if said.returncode != 0:
        sys.exit(f"check-docs: {program} --experimental-dump-help: {said.stderr.strip()}")
    return json.loads(said.stdout)["command"]


def check_help(command, path, faults):
    """Lines of help that a terminal of 80 columns would break: examples, not sentences, which are filled."""
    for line in (command.get("discussion") or "").split("\n"):
        if len(line) > 80 and re.match(r" |piforge ", line):
            faults.append(f"{' '.join(path)} --help: a line of {len(line)} columns, more than 80: {line}")
    for sub in command.get("subcommands", []):
        check_help(sub, path + [sub["commandName"]], faults)


def options(command):
    names = {"--help", "-h", "--version"}
    for argument in command.get("arguments", []):
        for name in argument.get("names", []):
            names.add(("--" if name["kind"] == "long" else "-") + name["name"])
    return names


def check_commands(page, text, command, faults):
    for entry in page_lines(text):
        line = without_remark(entry)
        for match in COMMAND.finditer(line):
            words = match[1].split()
            if not words or not re.fullmatch(r"[a-z][a-z-]*|--[a-z-]+", words[0]):
                continue
            place = f"{page.relative_to(root)}:{entry.number}"
            current = command
            while words and current.get("subcommands"):
                next_one = {sub["commandName"]: sub for sub in current["subcommands"]}.get(words[0])
                if next_one is None:
                    break
                current = next_one
                words = words[1:]
            if current is command:
                # `piforge` in a sentence: only a word that stands in code is a command.
                before = line[: match.start() + 1]
                if (before.count("`") % 2 == 1 or entry.is_code) and not words[0].startswith("-"):
                    faults.append(f"{place}: piforge has no command '{words[0]}'")
                continue
            for word in words:
                option = word.split("=")[0].rstrip(".,:]")
                if re.fullmatch(r"--[a-z][a-z-]*", option) and option not in options(current):
                    faults.append(f"{place}: piforge {current['commandName']} has no option {option}")


def check_make(page, text, targets, faults):
    if str(page.relative_to(root)) in KERNEL_PAGES:
        targets = targets | KERNEL_TARGETS
    for line in page_lines(text):
        said = [without_remark(line)] if line.is_code else re.findall(r"`([^`]*\bmake [^`]*)`", line.text)
        for command in (part for line_said in said for part in re.split("[#·;&|]+", line_said)):
            words = command.split()
            while words and (words[0] in ("$", "sudo") or re.fullmatch(r"[A-Z_]+=\S*", words[0])):
                words = words[1:]
            if words[:1] != ["make"]:
                continue
            for word in words[1:]:
                if re.fullmatch(r"[a-z][a-z-]*", word) and word not in targets:
                    faults.append(f"{page.relative_to(root)}:{line.number}: the Makefile has no target {word}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    command = command_tree(sys.argv[1])
    targets = set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    faults = []
    check_help(command, ["piforge"], faults)
    all_pages = pages()
    for page in all_pages:
        text = page.read_text(encoding="utf-8")
        check_links(page, text, faults)
        check_commands(page, text, command, faults)
        check_make(page, text, targets, faults)
    for fault in faults:
        print(f"check-docs: {fault}")
    print(f"check-docs: {len(all_pages)} pages, {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
