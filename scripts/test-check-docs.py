#!/usr/bin/python3
"""Holds check-docs.py to what it must see, and to what it must leave alone."""

import importlib.util
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("check_docs", here / "check-docs.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)

PAGE = check.root / "README.md"
COMMAND = {"commandName": "piforge", "subcommands": [
    {"commandName": "build", "arguments": [{"names": [{"kind": "long", "name": "output"}]}]}]}


def faults(text):
    found = []
    check.check_links(PAGE, text, found)
    check.check_commands(PAGE, text, COMMAND, found)
    check.check_make(PAGE, text, {"image"}, found)
    return [fault.removeprefix("README.md:") for fault in found]


CASES = [
    ("```sh\npiforge bild x\n```", ["2: piforge has no command 'bild'"]),
    ("    piforge build x \\\\\n        --outptu y", ["1: piforge build has no option --outptu"]),
    ("```\n[x](nowhere.md)\n```\n~~~\n```\n[x](nowhere.md)\n~~~", []),
    ("[x](nowhere.md \"a title\")", ["1: the link leads nowhere: nowhere.md"]),
    ("[x](<nowhere.md>)", ["1: the link leads nowhere: nowhere.md"]),
    ("[x][there]\n\n[there]: LICENSE", []),
    ("[x][there]\n\n[there]: nowhere.md", ["3: the link leads nowhere: nowhere.md"]),
    ("[x][]", ["1: the link has no definition: [x][]"]),
    ("[x](#none)", ["1: the page has no such heading: #none"]),
    ("[x](LICENSE#any)", []),
    ("- a\n    - [x](nowhere.md)\n\n    [y](nowhere.md)", ["2: the link leads nowhere: nowhere.md", "4: the link leads nowhere: nowhere.md"]),
    ("- a\n\nb\n\n    [x](nowhere.md)", []),
    ("```\nls  # make it so\n# piforge writes the image\n```", []),
    ("[^1]: a note here, and a[0][1]", []),
    ("````\n```\n[x](nowhere.md)\n````", []),
    ("```\nsudo make imgae\nA=1 make imgae\n```", ["2: the Makefile has no target imgae", "3: the Makefile has no target imgae"]),
    ("`[x](nowhere.md)` and piforge builds images", []),
    ("```\nmake image && make imgae\n```\n`make imgae`", ["2: the Makefile has no target imgae", "4: the Makefile has no target imgae"]),
    ("make `install` is the kernel's: `make install`", ["1: the Makefile has no target install"]),
]
wrong = 0
for text, expected in CASES:
    found = faults(text.replace("\\\\", "\\"))
    if found != expected:
        wrong += 1
        print(f"{text!r}: expected {expected}, found {found}")
print(f"test-check-docs: {len(CASES)} cases, {wrong} wrong")
sys.exit(1 if wrong else 0)
