#!/usr/bin/env python3
"""Runs the gateway, the reference server and an empty 204 in turn, several rounds, and prints how they compare.

What is measured and how: loadtest/README.md. Ends with an error when the counters of any run differ from the answers
its client was given; with --strict also when a promise is missed.
"""

import argparse
import datetime
import json
import re
import shutil
import sys

from lab import figures, memory, scenarios, servers, table


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds (default 3; with --quick 1)")
    parser.add_argument("--seconds", type=float, help="time for each of two compared servers (default 4; with --quick 1)")
    parser.add_argument("--only", default="", help="a pattern: scenarios to run, with those they are compared to")
    parser.add_argument("--quick", action="store_true", help="a first impression in two minutes; nothing is kept")
    parser.add_argument("--strict", action="store_true", help="end with an error when a promise is missed")
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    parser.add_argument("--gateway", help="the gateway's binary, if not the one of this build")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 3)
    chosen.seconds = chosen.seconds or (1.0 if chosen.quick else 4.0)
    chosen.warmup = 0.3 if chosen.quick else 0.5
    return chosen


def main():
    flags = arguments()
    if not flags.no_build:
        servers.build()
    binaries = servers.binaries(flags.gateway)
    plan = scenarios.chosen(re.compile(flags.only))
    about = describe(flags)
    # One for each side of a comparison.
    redises = [servers.Redis(), servers.Redis()] if any(scenario.redis for scenario in plan) else [None, None]
    try:
        run = measure(flags, binaries, plan, redises)
    finally:
        for redis in filter(None, redises):
            redis.stop()
        shutil.rmtree(servers.WORK / "bin")
    run["about"] = about
    promises = finish(flags, plan, run)
    if flags.strict and not all(promise[-1] for promise in promises):
        sys.exit("a promise was missed")


def describe(flags):
    probe = servers.directory()
    about = {
        **figures.machine(),
        "started": f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        "file_system": figures.file_system(probe),
        "plain_sync_ms": figures.plain_sync_ms(probe),
        "rounds": flags.rounds,
        "seconds": flags.seconds,
    }
    shutil.rmtree(probe)
    if about["file_system"] in ("tmpfs", "ramfs"):
        raise servers.Failure("the build lies in memory, where a sync costs nothing: set CARGO_TARGET_DIR to a disk")
    if about["cores"] < 2:
        raise servers.Failure("two cores are needed: one for the server, one for the load")
    return about


def measure(flags, binaries, plan, redises):
    dressing = scenarios.shape(binaries)
    by_name = {scenario.name: scenario for scenario in plan}
    records, calls = [], {}
    for number in range(flags.rounds):
        for scenario in plan:
            if not scenario.against:
                continue
            pair = (scenario, by_name[scenario.against])
            found = scenarios.compare(binaries, pair, dressing, redises, flags.seconds, flags.warmup)
            records += [{**record, "round": number} for record in found]
            ratios = f"{found[0]['rps_ratio']:.2f} of the throughput, {found[0]['cpu_ratio']:.2f} of the CPU"
            say(f"round {number + 1}: {scenario.name}: {found[0]['rps']:,.0f}/s, {ratios}")
    if figures.SystemCalls.available():
        for scenario in plan:
            if scenario.name in scenarios.COUNTED:
                calls[scenario.name] = scenarios.system_calls(binaries, scenario, dressing, redises[0], 2)
    else:
        say("system calls are not counted: that needs perf and the right to use its tracepoints")
    found = memory.measure(binaries) if not flags.only else None
    return {"dressing": dressing, "records": records, "system_calls": calls, "memory": found}


def finish(flags, plan, run):
    """Prints the page and keeps it with the raw figures."""
    rows = table.summarise(plan, run["records"])
    for name, count in run["system_calls"].items():
        rows[name]["system_calls"] = count
    promises = table.targets(rows, run["memory"])
    page = table.render(run, rows, promises)
    # Only whole runs are worth keeping with the project.
    home = servers.WORK if flags.quick or flags.only else servers.ROOT / "loadtest" / "runs"
    home.mkdir(parents=True, exist_ok=True)
    path = home / figures.run_name(run["about"])
    path.with_name(path.name + ".json").write_text(json.dumps(run, indent=1) + "\n")
    path.with_name(path.name + ".md").write_text(page)
    print(page)
    say(f"kept as {path}.json and .md")
    return promises


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except servers.Failure as failure:
        sys.exit(f"compare: {failure}")
