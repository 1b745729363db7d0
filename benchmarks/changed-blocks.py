#!/usr/bin/env python3
"""Compares a raw disk with others, block by block: how much has to be compressed anew, by block size.

    changed-blocks.py [--preset N] --sizes 1,2,4,8 BASE NAME=DISK...

Prints a JSON list: for each block size (MiB) and each disk, the blocks that are not zero, those of them that differ from the base's block of
the same place, and the bytes that these take as .xz. A block that is elsewhere in the base counts as unchanged: piforge keeps blocks
by their bytes. Above 96 MiB of changed blocks their .xz bytes are not measured (null).
"""

import argparse
import concurrent.futures
import hashlib
import json
import lzma
import os

MOST = 96 << 20


def blocks(path, size):
    """Yields (offset, digest) for each block that is not zero. Holes are not read."""
    zero = bytes(size)
    length = os.path.getsize(path)
    with open(path, "rb", buffering=0) as disk:
        offset = 0
        while offset < length:
            try:
                data_at = os.lseek(disk.fileno(), offset, os.SEEK_DATA)
            except OSError:
                return
            offset = data_at // size * size
            block = os.pread(disk.fileno(), size, offset)
            if block != zero[: len(block)]:
                yield offset, hashlib.sha256(block).digest()
            offset += size


def packed(path, offset, size, preset):
    """The bytes that one block takes."""
    with open(path, "rb") as disk:
        disk.seek(offset)
        return len(lzma.compress(disk.read(size), check=lzma.CHECK_SHA256, preset=preset))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", type=int, default=6)
    parser.add_argument("--sizes", default="1,2,4,8,16,32,64")
    parser.add_argument("base")
    parser.add_argument("disks", nargs="+", metavar="NAME=DISK")
    arguments = parser.parse_args()

    rows = []
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for mib in map(int, arguments.sizes.split(",")):
            size = mib << 20
            known = {digest for _, digest in blocks(arguments.base, size)}
            for argument in arguments.disks:
                name, _, path = argument.partition("=")
                found = list(blocks(path, size))
                changed = [offset for offset, digest in found if digest not in known]
                total = None
                if len(changed) * size <= MOST:
                    tasks = [pool.submit(packed, path, offset, size, arguments.preset) for offset in changed]
                    total = sum(task.result() for task in tasks)
                rows.append({"blockMiB": mib, "change": name, "blocks": len(found), "changed": len(changed), "packed": total})
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
