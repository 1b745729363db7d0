#!/usr/bin/env python3
"""Writes benchmarks/RESULTS.md from benchmarks/results/*.json, and results.svg beside it (chart.py).

What is to be said of a missed bar stands in benchmarks/remarks.md, under a heading `## KEY` for each key of BARS below.
"""

import json
import os
import platform
import re
import subprocess
import sys

import chart

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "results")


def load(name):
    """One result; None where it was not measured."""
    try:
        with open(os.path.join(RESULTS, name + ".json"), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def done(result):
    return bool(result) and "seconds" in result


def seconds(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ratio(result, reference):
    if not done(result) or not done(reference):
        return ""
    value = result["seconds"] / reference["seconds"]
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(head, rows):
    """Markdown: the first column is text, the others are numbers."""
    rows = [row for row in rows if row]
    if not rows:
        return "Not measured in this run.\n"
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(cell(item) for item in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


FIGURES = ["seconds", "± s", "runs", "CPU s", "peak MiB"]


def figures(result):
    peak = result.get("peakKiB")
    return [
        seconds(result["seconds"]),
        seconds(result["stddev"]) if result.get("stddev") is not None else "",
        result["runs"],
        seconds(result["user"] + result["system"]),
        round(peak / 1024) if peak is not None else "",
    ]


def row(what, result, reference=None):
    if not result:
        return None
    if not done(result):
        reason = result["failed"]
        return [f"{what}: {reason if reason.startswith('not done') else 'did not run: ' + reason}", "", "", "", "", "", ""]
    return [what, *figures(result), ratio(result, reference)]


def blocks_row(what, result):
    """What the progress of a build said of its blocks."""
    if not result or not result.get("blocks"):
        return None
    found = result["blocks"]
    new = [one["new"] for one in found]
    if len(found) > 1:
        shown = f"{min(new)} to {max(new)} each, {sum(new)} in all"
    else:
        shown = new[0]
    return [what, len(found), shown, sum(one["reused"] for one in found), sum(one["zero"] for one in found)]


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def version(*command):
    found = re.search(r"\d+(\.\d+)+", output(*command))
    return found.group(0) if found else "not installed"


def machine():
    """What the machine is, without its name or paths."""
    cpu = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(file.readline().split()[1]) / 1024 / 1024
    try:
        with open("/etc/debian_version", encoding="utf-8") as file:
            debian = "Debian " + file.read().strip()
    except OSError:
        debian = "not Debian"
    commit = output("git", "-C", HERE, "rev-parse", "--short=12", "HEAD")
    if output("git", "-C", HERE, "status", "--porcelain", "--untracked-files=no", "--", "../Sources", "../Package.swift"):
        commit += ", with changes"
    return [
        ["processor", f"{cpu}, {len(os.sched_getaffinity(0))} cores"],
        ["architecture", platform.machine()],
        ["memory", f"{memory:.0f} GiB"],
        ["kernel", platform.release()],
        ["system", debian],
        ["piforge", f"commit {commit}"],
        ["xz", version("xz", "--version")],
        ["QEMU (piforge's machines)", version("qemu-system-aarch64", "--version")],
        ["qemu-user (the others' chroots)", version("qemu-aarch64-static", "--version")],
        ["mmdebstrap", version("mmdebstrap", "--version")],
        ["debootstrap", version("debootstrap", "--version")],
        ["vmdb2", version("dpkg-query", "-W", "-f", "${Version}", "vmdb2")],
        ["debos", version("dpkg-query", "-W", "-f", "${Version}", "debos")],
    ]


def remarks():
    """The text under each `## KEY` of remarks.md."""
    try:
        with open(os.path.join(HERE, "remarks.md"), encoding="utf-8") as file:
            parts = re.split(r"^## +(\S+) *$", file.read(), flags=re.MULTILINE)
    except FileNotFoundError:
        return {}
    return {key: text.strip() for key, text in zip(parts[1::2], parts[2::2])}


def bars(main):
    """The bars of docs/design.md: key, text, what was measured, whether it is met (None: not measured here)."""
    get = lambda name: load(f"{main}.{name}")
    found = []

    def bar(key, text, measured, met):
        found.append((key, text, measured or "not measured in this run", met if measured else None))

    cold, mmdebstrap = get("cold"), get("mmdebstrap")
    measured = met = None
    if done(cold) and done(mmdebstrap):
        share = cold["seconds"] / mmdebstrap["seconds"]
        measured = f"{seconds(cold['seconds'])} s against {seconds(mmdebstrap['seconds'])} s: {share:.2f}"
        met = share <= 0.2
    bar("cold", "Debian 13 + Docker image, cold cache, packages already downloaded: at most a fifth of the time of mmdebstrap under "
        "qemu-user + ext4 + `xz -T0 -6`, same packages, same machine, same run", measured, met)

    changes = [(what, get(what)) for what in ("overlay", "password", "hostname")]
    changes = [(what, one["seconds"]) for what, one in changes if done(one)]
    measured = met = None
    if changes and done(cold):
        slowest = max(value for _, value in changes)
        measured = ", ".join(f"{what} {seconds(value)} s" for what, value in changes) + f"; the slowest {slowest / cold['seconds']:.3f} of cold"
        met = slowest <= 10 and slowest <= cold["seconds"] / 20
    bar("change", "the same with one file or password changed: at most 10 s, and at most 1/20 of the cold build", measured, met)

    noop = get("noop")
    bar("noop", "nothing changed: at most 1 s", done(noop) and f"{seconds(noop['seconds'])} s", done(noop) and noop["seconds"] <= 1)

    pack, xz, sizes = get("pack"), get("xz"), get("sizes")
    measured = met = None
    if done(pack) and done(xz) and sizes:
        more = sizes["piforge"] / sizes["xz"] - 1
        both = [f"{seconds(one['seconds'])} ± {seconds(one.get('stddev') or 0)} s" for one in (pack, xz)]
        measured = f"{both[0]} against {both[1]}; output {more * 100:+.2f} % ({sizes['piforge'] - sizes['xz']:+,} bytes)"
        met = pack["seconds"] <= xz["seconds"] and more <= 0.02
    bar("compress", "compress: no slower than `xz -T0` at the same preset and block size; output at most 2 % larger", measured, met)

    verify, plain = get("verify"), get("sha256sum")
    measured = done(verify) and done(plain) and f"{seconds(verify['seconds'])} s against {seconds(plain['seconds'])} s"
    bar("verify", "verify: no slower than `xz -dc \\| sha256sum`", measured, measured and verify["seconds"] <= plain["seconds"])

    bar("setup", "`make setup` on a fresh 2-core machine, package downloads aside: at most 5 minutes, the Swift build in it", None, None)

    peaks = {}
    for file in sorted(os.listdir(RESULTS)):
        one = load(file[:-5]) if file.endswith(".json") else None
        if not isinstance(one, dict) or not done(one) or one.get("name") in OTHERS or re.search(r"^stock\..*\.xz\.json$", file):
            continue
        peaks[file[:-5]] = one.get("peakKiB") or 0
    # Blocks of another size than the recipes' are asked for by hand; the bar is that of the settings that are shipped.
    peaks = {name: peak for name, peak in peaks.items() if not name.startswith("blocks.")}
    measured = met = None
    if peaks:
        most = max(peaks, key=peaks.get)
        measured, met = f"{peaks[most] / 1024:.0f} MiB at most ({most})", peaks[most] <= 512 * 1024
    bar("memory", "memory of piforge itself: at most 512 MiB, whatever the image's size", measured, met)

    bar("prove", "proof on virt, all checks: at most 120 s; on raspi4b, to the serial login and its checks, at most 240 s", None, None)
    return found


# Results that are not piforge's.
OTHERS = {"mmdebstrap", "xz", "sha256sum", "unpack", "unpack-both", "loop", "debos", "vmdb2"}


def rebuilds(main):
    get = lambda name: load(f"{main}.{name}")
    cold, matrix = get("cold"), get("matrix")
    count = (matrix or {}).get("devices", 20)
    names = [
        ("nothing changed", "noop"),
        ("host name changed", "hostname"),
        ("password changed", "password"),
        ("one file of an overlay changed", "overlay"),
        ("one package added (`tree`)", "package"),
        (f"{count} devices, host name and key each", "matrix"),
    ]
    times = [row("cold, packages downloaded", cold, cold)] + [row(what, get(name), cold) for what, name in names]
    changed = [blocks_row("cold", cold)] + [blocks_row(what, get(name)) for what, name in names]
    return times, changed


def single(main):
    """Packing, verifying, looking into images: pairs of piforge and what one would use else."""
    get = lambda name: load(f"{main}.{name}")
    rows = []
    for ours, theirs, what, reference in [
        ("pack", "xz", "`piforge pack`", "`xz -T0`, same preset and block size"),
        ("verify", "sha256sum", "`piforge verify`", "`xz -dc \\| sha256sum`"),
        ("inspect", "unpack", "`piforge inspect`", "`xz -dc >/dev/null`: what one unpacks without an index"),
        ("cat", "unpack", "`piforge cat /etc/os-release`", None),
        ("diff", "unpack-both", "`piforge diff`, base and one package more", "`xz -dc >/dev/null` of both at a time: nothing compared yet"),
    ]:
        rows.append(row(what, get(ours), get(theirs)))
        rows.append(row(reference, get(theirs), get(theirs)) if reference else None)
    stock = sorted(name[6:-13] for name in os.listdir(RESULTS) if name.startswith("stock.") and name.endswith(".piforge.json"))
    for name in stock:
        xz = load(f"stock.{name}.xz")
        rows.append(row(f"`piforge stock` of {name}", load(f"stock.{name}.piforge"), xz))
        rows.append(row("`xz -dc -T0 >/dev/null` of it", xz, xz))
    fetch = load("fetch") or []
    reference = next((one for one in fetch if one["name"] == "curl, sync, sha256sum"), None)
    for one in fetch:
        rows.append(row(f"download of {one['mib']} MiB over loopback: {one['name']}", one, reference))
    # The helper escapes bars itself.
    return [[str(item).replace("\\|", "|") for item in one] for one in rows if one]


def block_tables():
    packs = [load(name[:-5]) for name in sorted(os.listdir(RESULTS)) if re.match(r"blocks\.(size|preset)-\d+\.json$", name)]
    packs.sort(key=lambda one: (one["preset"], one["blockMiB"], one["name"]))
    seen, rows = set(), []
    for one in packs:
        if (one["preset"], one["blockMiB"]) in seen:
            continue
        seen.add((one["preset"], one["blockMiB"]))
        rows.append([f"{one['preset']}, {one['blockMiB']} MiB", f"{one['bytes']:,}", f"{one['bytes'] / one['raw']:.4f}", *figures(one)[:1],
                     *figures(one)[3:]])
    changed = load("blocks.changed") or []
    changes = ["hostname", "password", "overlay", "package"]
    reuse = []
    for size in sorted({one["blockMiB"] for one in changed}):
        cells = {one["change"]: one for one in changed if one["blockMiB"] == size}
        line = [f"{size} MiB", next(iter(cells.values()))["blocks"]]
        for change in changes:
            one = cells[change]
            raw = one["changed"] * size
            packed = "" if one["packed"] is None else f": {one['packed'] / 1e6:.2f} MB"
            line.append(f"{one['changed']} ({raw} MiB){packed}")
        reuse.append(line)
    sample = round(packs[0]["raw"] / (1 << 20)) if packs else 0
    return rows, reuse, sample


def write(main):
    said = remarks()
    get = lambda name: load(f"{main}.{name}")
    times, changed = rebuilds(main)
    packs, reuse, sample = block_tables()
    small = load("builders.cold")
    out = ["# Results", "", "One run of `make bench`; how it is measured: [README.md](README.md). Ratios compare what was measured in this run alone.",
           "", "![Seconds of each measurement, on a logarithmic scale](results.svg)", "", "## The machine", "",
           "| | |\n| --- | --- |\n" + "".join(f"| {what} | {cell(value)} |\n" for what, value in machine()),
           "## The bars", "", "| bar | measured | |\n| --- | --- | --- |"]
    missed = []
    for key, text, measured, met in bars(main):
        out.append(f"| {text} | {cell(measured)} | {'met' if met else 'not measured' if met is None else '**missed**'} |")
        if met is False:
            missed.append((key, said.get(key, "No remark yet: benchmarks/remarks.md has no `## " + key + "`.")))
        elif key in said:
            missed.append((key, said[key]))
    out.append("")
    for key, text in missed:
        out += [f"**{key}**: {text}", ""]
    head = ["what", *FIGURES, "ratio"]
    out += ["## Against other ways to the same packages", "",
            f"`{main}`; ratio to mmdebstrap's way. Downloads are warm on both sides; mmdebstrap fetches the package indices within its time.", "",
            table(head, [row("mmdebstrap, qemu-user, `mke2fs -d`, `xz -T0 -6`", get("mmdebstrap"), get("mmdebstrap")),
                         row("piforge, cold", get("cold"), get("mmdebstrap"))]),
            "The small recipe's packages; ratio to piforge. debos and vmdb2 take no packages that are at hand, and download within their time.", "",
            table(head, [row("piforge, cold", small, small),
                         row("loop devices, debootstrap, chroot, `xz -T0 -6`", load("builders.loop"), small),
                         row("debos", load("builders.debos"), small), row("vmdb2 and `xz -T0 -6`", load("builders.vmdb2"), small)]),
            "Peak memory is that of piforge's own process, and of others' largest process.", "",
            "## Rebuilds", "", f"`{main}`; ratio to the cold build.", "", table(head, times),
            "Blocks of the image (of the last of the runs), as the build says it:", "",
            table(["change", "images", "compressed anew", "reused", "zero"], changed),
            "## Packing, verifying, looking into images", "", "Ratio to the line below (downloads: to `curl, sync, sha256sum`).", "",
            table(head, single(main)), "## Block size and preset", "",
            f"`piforge pack` of {sample} MiB, from the start of the small image's root partition:" if packs else "", "",
            table(["preset, block", "bytes", "of raw", "seconds", "CPU s", "peak MiB"], packs),
            "Blocks of the small image that must be compressed anew, at preset 6: how many, what they hold, and what they take as .xz (where that is "
            "at most 96 MiB of blocks):", "",
            table(["block size", "blocks not zero", "host name", "password", "file of an overlay", "one package more"], reuse)]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(out)).rstrip() + "\n"
    with open(os.path.join(HERE, "RESULTS.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(HERE, "results.svg"), "w", encoding="utf-8") as file:
        file.write(chart.draw(groups(main)))


def groups(main):
    """What the chart shows: (heading, [(label, seconds or None, whether it is piforge's, remark)])."""
    def bar(label, name, ours):
        result = load(name)
        if not result:
            return None
        # The first words of a limit that was reached are the news; other reasons stand in the table.
        reason = result.get("failed", "")
        remark = reason.split(",")[0] if reason.startswith("not done") else "did not run" if reason else ""
        return (label, result.get("seconds"), ours, remark)

    devices = (load(f"{main}.matrix") or {}).get("devices", 20)
    wanted = [
        (f"{main}, from nothing", [("mmdebstrap, qemu-user, xz", f"{main}.mmdebstrap", False), ("piforge", f"{main}.cold", True)]),
        ("small recipe, from nothing", [
            ("loop mounts and chroot", "builders.loop", False), ("debos", "builders.debos", False),
            ("vmdb2", "builders.vmdb2", False), ("piforge", "builders.cold", True)]),
        (f"{main}, again", [
            (f"piforge, {devices} devices", f"{main}.matrix", True), ("piforge, one package more", f"{main}.package", True),
            ("piforge, file changed", f"{main}.overlay", True), ("piforge, password changed", f"{main}.password", True),
            ("piforge, host name changed", f"{main}.hostname", True), ("piforge, nothing changed", f"{main}.noop", True)]),
        ("one image", [
            ("xz -T0", f"{main}.xz", False), ("piforge pack", f"{main}.pack", True),
            ("xz -dc | sha256sum", f"{main}.sha256sum", False), ("piforge verify", f"{main}.verify", True),
            ("xz -dc", f"{main}.unpack", False), ("piforge inspect", f"{main}.inspect", True), ("piforge cat", f"{main}.cat", True),
            ("xz -dc of two images", f"{main}.unpack-both", False), ("piforge diff", f"{main}.diff", True)]),
    ]
    found = [(heading, [one for one in (bar(*item) for item in items) if one]) for heading, items in wanted]
    return [(heading, items) for heading, items in found if items]


if __name__ == "__main__":
    others = sorted(file[:-10] for file in os.listdir(RESULTS) if file.endswith(".cold.json") and not file.startswith("builders."))
    recipes = ["debian-13", *others] if len(sys.argv) == 1 else sys.argv[1:2]
    for recipe in recipes:
        if load(f"{recipe}.cold"):
            write(recipe)
            print("benchmarks/RESULTS.md, benchmarks/results.svg")
            break
    else:
        sys.exit("report: benchmarks/results has no cold build; benchmarks/run.sh measures one")
