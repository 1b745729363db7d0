#!/usr/bin/env python3
"""Compares two ext2, ext3 or ext4 file systems through debugfs alone, name by name: compare.py ONE OTHER

Type, mode, owner, group, time of the last change, device numbers, targets, content, extended attributes as they lie on the
disk, and which names share an inode. Prints one line for each difference, then how many names were compared. lost+found
is passed over.
"""
import hashlib
import os
import re
import subprocess
import sys
import tempfile


def debugfs(image, requests):
    """What each request printed, by the request."""
    if not requests:
        return {}
    script = b"".join(request + b"\n" for request in requests)
    environment = dict(os.environ, DEBUGFS_PAGER="__none__", TZ="UTC")
    out = subprocess.run(
        ["debugfs", "-f", "-", image], input=script, capture_output=True, check=True, env=environment).stdout
    parts = re.split(rb"^debugfs: (.*)\n", out, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2]))


def names(image):
    """Every path, with its inode and the octal mode; the root is the empty path."""
    found = {}
    level = [(b"", 2)]
    while level:
        listing = debugfs(image, [b"ls -p <%d>" % inode for _, inode in level])
        below = []
        for path, inode in level:
            rows = re.findall(rb"/(\d+)/(\d+)/\d+/\d+/([^/]*)/\d*/\n", listing[b"ls -p <%d>" % inode])
            for number, mode, name in rows:
                if name == b".." or int(number) == 0:
                    continue
                if name == b".":
                    found[path] = (inode, mode)
                    continue
                here = path + b"/" + name if path else name
                if here == b"lost+found":
                    continue
                found[here] = (int(number), mode)
                if mode.startswith(b"04"):
                    below.append((here, int(number)))
        level = below
    return found


def field(pattern, text):
    match = re.search(pattern, text, re.DOTALL)
    return match.groups() if match else None


def time(text):
    seconds, extra = field(rb"\bmtime: 0x([0-9a-f]+)(?::([0-9a-f]+))?", text)
    low, extra = int(seconds, 16), int(extra or b"0", 16)
    return (low - (1 << 32) if low >> 31 else low) + ((extra & 3) << 32), extra >> 2


def inodes(image, numbers, folder):
    """What an inode is besides its names."""
    stats = debugfs(image, [b"stat <%d>" % n for n in numbers])
    lists = debugfs(image, [b"ea_list <%d>" % n for n in numbers])
    requests, attributes = [], {}
    for n in numbers:
        attributes[n] = re.findall(rb"^  ([^ ]+) \(\d+\)", lists[b"ea_list <%d>" % n], flags=re.MULTILINE)
        attributes[n] = [name for name in attributes[n] if name != b"system.data"]
        requests += [b"ea_get -r -f %s/%d.%d <%d> %s" % (folder, n, i, n, a) for i, a in enumerate(attributes[n])]
        requests.append(b"dump <%d> %s/%d" % (n, folder, n))
    debugfs(image, requests)
    result = {}
    for n in numbers:
        text = stats[b"stat <%d>" % n]
        kind, owner = field(rb"Type: (\w+(?: \w+)?) ", text)[0], field(rb"User: +(\d+) +Group: +(\d+)", text)
        what = {"owner": owner, "time": time(text)}
        if kind in (b"regular", b"symlink"):
            target = field(rb'Fast link dest: "(.*)"\n', text)
            # debugfs gives all 60 bytes of an inode's block area where content is in it.
            size = int(field(rb"Size: (\d+)", text)[0])
            content = (target[0] if target else read(b"%s/%d" % (folder, n)))[:size]
            what["content"] = (size, len(content), hashlib.sha256(content).hexdigest())
        if b"special" in kind or kind in (b"character", b"block"):
            what["device"] = field(rb"Device major/minor number: (\S+)", text)
        for i, name in enumerate(attributes[n]):
            what[name] = read(b"%s/%d.%d" % (folder, n, i)).hex()
        result[n] = what
    return result


def read(path):
    with open(path, "rb") as file:
        return file.read()


def tree(image):
    """What each path is, and the paths that share its inode."""
    found = names(image)
    groups = {}
    for path, (inode, _) in found.items():
        groups.setdefault(inode, set()).add(path)
    with tempfile.TemporaryDirectory() as folder:
        known = inodes(image, sorted(groups), folder.encode())
    return {
        path: dict(known[inode], mode=mode, names=sorted(groups[inode])) for path, (inode, mode) in found.items()
    }


one, other = tree(sys.argv[1]), tree(sys.argv[2])
different = 0
for path in sorted(one.keys() | other.keys()):
    a, b = one.get(path), other.get(path)
    for key in sorted({str(k) for k in (a or {}) | (b or {})}) if a != b else []:
        values = [{str(k): v for k, v in (side or {}).items()}.get(key) for side in (a, b)]
        if values[0] != values[1]:
            print(f"{path!r}: {key}: {values[0]!r} and {values[1]!r}")
            different += 1
print(f"{len(one)} names, {different} differences")
sys.exit(1 if different else 0)
