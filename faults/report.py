#!/usr/bin/env python3
"""Writes docs/fault-report.md from the lines of figures that the series leave.

    python3 faults/report.py FOLDER     the folder with the figures: `faults` in the target directory
"""

import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "fault-report.md"

# What is broken in the series whose names begin so, in the order of the page.
KINDS = [
    ("gateway-killed", "The gateway is killed (`kill -9`) at any moment, now and then while it recovers"),
    ("power-cut", "The power of the journal's file system is cut (ext4 told to go down without its log)"),
    ("sync-fails", "A sync of the journal fails, then the power is cut: the gateway must have ended without a `2xx`"),
    ("disk-full", "The disk is full for a while, and has space again"),
    ("full-disk", "The gateway is started on a disk that is full"),
    ("directory", "The data directory is restored from an older copy"),
    ("clone", "A clone of the data directory is started beside the original"),
    ("redis-killed", "Redis is killed, and comes back with all, most or nothing of what it had"),
    ("valkey-killed", "Valkey is killed, and comes back with all, most or nothing of what it had"),
    ("hand-over", "A new process takes over (`SIGUSR2`) while 2,000 requests a second come: none may fail"),
    ("store-power", "The power of the event store's own file system is cut under load; then the gateway is killed or stopped"),
    ("store-full", "The event store's own disk is full for a while under load"),
    ("store-note", "Syncs of the event store's note fail, each third of them"),
    ("store-damaged", "Files of the event store are removed under load, and removed, cut or changed before a start"),
    ("storm", "Everything at once around two gateways"),
    ("network", "The network to Redis delays, splits, resets, half-closes, swallows replies, delivers late"),
    ("redis", "Redis comes back older, loses everything, or runs and does not serve"),
    ("valkey", "Valkey comes back older, loses everything, or runs and does not serve"),
]

# What each control takes away, in the order of the page.
CONTROLS = {
    "control-gateway-killed-journal-removed": "the journal is removed before the restart",
    "control-gateway-killed-visit-doubled": "a visit is added in Redis by hand",
    "control-gateway-killed-event-doubled": "an event is added in Redis by hand",
    "control-gateway-killed-event-lost": "an event is taken away in Redis by hand",
    "control-power-cut-os-mode": "`os` mode, which promises nothing of the kind",
    "control-power-cut-sync-stubbed": "`fdatasync` does nothing and says it did",
    "control-redis-killed-guard-forged": "the guard hides that Redis went back",
    "control-redis-stopped-directory-removed": "the data directory is removed while visits wait for Redis",
    "control-network-guard-removed": "the guard's script looks at neither sequences nor claims",
    "control-clone-fence-removed": "the guard's scripts look at no claims",
    "restart-without-sockets": "the process is stopped and started, and hands nothing over",
    "control-store-cursor-ahead": "the event store is told that it has what waits in the journal",
    "control-store-row-doubled": "a row is added to the event store by hand",
    "control-store-row-lost": "the event store of before is put back, with the place in the journal of after",
    "control-disk-full-history-doctored": "the clients' history takes refusals for acceptances",
}

LIMITS = """\
## What this cannot show

- Drives whose write cache says "synced" and lies: the power that is cut here is a file system's, not a drive's.
- Many hosts: clocks that differ, networks that lose and reorder packets. Everything runs on loopback.
- More than the cores of this machine.
- A sync error is injected at the system call, so a file system that loses dirty pages at a real one is only covered in
  so far as the power is cut after it.
- A Redis that loses the second it had not synced is made by cutting the end of its append-only file.
- The gateway asks no Sentinel itself; in that series a proxy leads it to the primary that Sentinel names.
"""


def figures(folder):
    lines = [json.loads(line) for path in sorted(folder.glob("*.json")) for line in path.read_text().splitlines() if line]
    if not lines:
        sys.exit(f"{folder}: no figures; run `make faults`")
    return lines


def has_found(control):
    """A control of what clients are answered finds failed requests; every other finds wrong counts."""
    answers = control["name"] == "restart-without-sockets"
    return (control["fail"] + control["unknown"] if answers else control["lost"] + control["doubled"]) > 0


def is_series(line):
    return {"scale", "control", "visits"} <= line.keys()


def number(value):
    return f"{value:,}" if isinstance(value, int) else str(value)


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(heads, rows):
    return "\n".join([row(heads), row(["---"] + ["---:"] * (len(heads) - 1)), *map(row, rows)])


def said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine():
    model = re.search(r"^model name\s*:\s*(.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    memory = re.search(r"^MemTotal:\s*(\d+) kB$", pathlib.Path("/proc/meminfo").read_text(), re.M)
    tools = pathlib.Path(os.environ.get("FOOTFALL_TEST_TOOLS") or pathlib.Path.home() / ".cache/footfall-tools")
    versions = {
        "Redis": re.search(r"v=([\d.]+)", said("redis-server", "--version")),
        "Valkey": re.search(r"v=([\d.]+)", said(str(tools / "valkey-server"), "--version")),
        "strace": re.search(r"version ([\d.]+)", said("strace", "--version")),
    }
    kernel = re.match(r"[\d.]+", platform.release())
    found = [f"{name} {version[1]}" for name, version in versions.items() if version]
    return [
        f"{model[1].strip() if model else platform.machine()}, {os.cpu_count()} cores, "
        f"{int(memory[1]) / 2**20:.0f} GiB of memory, Linux {kernel[0] if kernel else platform.release()}",
        ", ".join(found),
    ]


def kind_of(line):
    return next((kind for kind in KINDS if line["name"].startswith(kind[0])), ("", "Others"))


def series_part(lines):
    heads = ["series", "faults", "requests", "kept", "refused", "unknown", "events", "stored", "lost", "doubled", "seconds", "seed"]
    keys = ["count", "requests", "ok", "fail", "unknown", "events", "stored", "lost", "doubled", "seconds"]
    parts = []
    for kind in [*KINDS, ("", "Others")]:
        rows = [
            [line["name"], *(number(line[key]) for key in keys), str(line["seed"])]
            for line in lines
            if kind_of(line) == kind
        ]
        if rows:
            parts.append(f"### {kind[1]}\n\n{table(heads, rows)}\n")
    return "\n".join(parts)


def controls_part(lines):
    heads = ["control", "taken away", "kept", "failed or unknown", "found lost", "found doubled"]
    rows = [
        [
            line["name"],
            CONTROLS.get(line["name"], ""),
            *(number(figure) for figure in (line["ok"], line["fail"] + line["unknown"], line["lost"], line["doubled"])),
        ]
        for line in lines
    ]
    return table(heads, rows)


def others_part(lines):
    told = []
    for line in lines:
        rest = ", ".join(f"{key} {number(value)}" for key, value in line.items() if key != "name")
        told.append(f"- **{line.get('name', 'without a name')}**: {rest}")
    return "\n".join(told)


def page(lines):
    series = [line for line in lines if is_series(line) and not line["control"]]
    controls = [line for line in lines if is_series(line) and line["control"]]
    others = [line for line in lines if not is_series(line)]
    total = {key: sum(line[key] for line in series) for key in ("count", "requests", "ok", "events", "lost", "doubled")}
    scale = "full" if all(line["scale"] == "full" for line in series) else "SHORT"
    broken_off = [line["name"] for line in [*series, *controls] if not line.get("ended", True)]
    idle = [line["name"] for line in controls if not has_found(line)]
    bad = [line["name"] for line in series if line["findings"]]
    wrong = [("broken off", broken_off), ("controls that found nothing", idle), ("not exact", bad)]
    verdict = (
        " ".join(f"**Not all is well: {what}: {', '.join(names)}.**" for what, names in wrong if names)
        or "Nothing was lost and nothing counted twice; every control was noticed."
    )
    text = [
        "# Fault report",
        "",
        "Made by `make faults`; do not edit. Everything here runs against the real binary, with real engines and real",
        "file systems. Clients write down what they were told; after each round that is held against what was counted, by",
        "the gateway, by Redis, and by `footfall verify`. Half of the visits carry an `Idempotency-Key` and are sent again",
        "while it is unknown what became of them: they must count exactly once. The others are not sent again: unknown",
        "ones may count once or not at all. One connection of 16 sends batches of events: without ids, with ids, with an",
        "`Idempotency-Key`, and with ids that come twice. They are held against what is counted by name; what can be sent",
        "again is, and each answer must tell exactly the ids that came before. In the end the rows of the event stores are",
        "held against the batches, event by event. Columns count visits, but for *events*, those that were kept, and",
        "*stored*, the rows in the event stores that were read: also of events of unknown fate, and none where a directory",
        "was restored.",
        "",
        f"- {time.strftime('%Y-%m-%d', time.gmtime())}, {scale} set, 64 connections, 2,400 visits a second on schedule",
        *(f"- {fact}" for fact in machine()),
        f"- {number(total['count'])} faults, {number(total['requests'])} requests, {number(total['ok'])} visits and {number(total['events'])} events kept, "
        f"{number(total['lost'])} lost, {number(total['doubled'])} counted twice",
        "",
        verdict,
        "",
        "A series is run again with `FOOTFALL_FAULTS=full FOOTFALL_FAULTS_SEED=<seed> cargo test --test faults <its test>`;",
        "the seed decides moments and kinds of faults, the machine does the rest.",
        "",
        "## Series",
        "",
        series_part(series),
        "## Controls",
        "",
        "The same with a protection taken away: here the check must find something, or it could not be trusted.",
        "",
        controls_part(controls),
        "",
    ]
    if others:
        text += ["## Beside the series", "", others_part(others), ""]
    return "\n".join(text) + "\n" + LIMITS


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    PAGE.write_text(page(figures(pathlib.Path(sys.argv[1]))))
    print(f"wrote {PAGE}")


main()
