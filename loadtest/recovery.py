#!/usr/bin/env python3
"""How long a start takes whose journal holds millions of visits that nothing has counted: embedded, and until an empty
Redis has them all. Each visit is journaled by itself, with an Idempotency-Key. Ends with an error when a count is wrong.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time

from lab import figures, servers

PROMISES = {"MB/s read at the start": (200, ">="), "seconds until Redis has all": (60, "<=")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=10_000_000)
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    flags = parser.parse_args()
    if not flags.no_build:
        servers.build()
    binaries = servers.binaries()
    about = figures.machine()
    print(f"{about['cpu']}, {about['cores']} cores, {about['kernel']}; {flags.visits:,} visits")
    found = {**embedded(binaries, flags.visits), **with_redis(binaries, flags.visits)}
    missed = False
    for name, value in found.items():
        bound, sign = PROMISES.get(name, (None, None))
        kept = bound is None or (value >= bound if sign == ">=" else value <= bound)
        missed |= not kept
        print(f"- {name}: {value:,.1f}" + ("" if bound is None else f" ({sign} {bound}{'' if kept else ', MISSED'})"))
    sys.exit(1 if missed else 0)


def make(binaries, folder, visits):
    """A journal as a gateway leaves it: on disk, with nothing left to be written behind it."""
    made = subprocess.run([binaries["journal_maker"], folder, "--visits", str(visits)], check=True, capture_output=True)
    os.sync()
    return int(made.stdout)


def embedded(binaries, visits):
    folder = servers.directory()
    size = make(binaries, folder / "data", visits)
    began = time.monotonic()
    gateway = servers.Gateway(binaries["gateway"], "disk", settings={"FOOTFALL_DATA_DIR": str(folder / "data")})
    seconds = time.monotonic() - began
    try:
        check("the report", sum(gateway.report().values()), visits)
        highest = figures.memory_kb(gateway.pid)[1] / 1024
    finally:
        gateway.stop()
        shutil.rmtree(folder)
    return {
        "MB of frames": size / 1e6,
        "seconds until ready, embedded": seconds,
        "MB/s read at the start": size / 1e6 / seconds,
        "MB of memory at most": highest,
    }


def with_redis(binaries, visits):
    folder = servers.directory()
    make(binaries, folder / "data", visits)
    redis = servers.Redis()
    began = time.monotonic()
    settings = {"FOOTFALL_DATA_DIR": str(folder / "data")}
    gateway = servers.Gateway(binaries["gateway"], "disk", redis.url, settings)
    try:
        while sum(map(int, redis.ask("HVALS", "ff:{0}:visits"))) < visits:
            if time.monotonic() - began > 300:
                raise servers.Failure("Redis has not got them all in five minutes")
            time.sleep(0.02)
        seconds = time.monotonic() - began
        check("Redis", redis.visits(), visits)
    finally:
        gateway.stop()
        redis.stop()
        shutil.rmtree(folder)
    return {"seconds until Redis has all": seconds}


def check(who, counted, visits):
    if counted != visits:
        raise servers.Failure(f"{who} has {counted} visits, not {visits}")


if __name__ == "__main__":
    try:
        main()
    except servers.Failure as failure:
        sys.exit(f"recovery: {failure}")
