#!/usr/bin/env python3
"""Runs k6 against the gateway behind a real nginx, and against the reference server behind the same nginx.

First 1,000 requests/s of each kind from 10,000 client addresses: no error, and the p99 of both kinds at most twice that
of the reference. Then the limit on: nobody under it is refused, everybody over it is. After each, the counters equal
the answers that k6 counted. Ends with an error when any of this does not hold.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from lab import scenarios, servers
from lab.nginx import Nginx

K6 = servers.ROOT / "loadtest" / "k6"
P99_RATIO_MAX = 2.0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="times that both servers take their turn")
    parser.add_argument("--seconds", type=int, default=30, help="length of each steady run")
    parser.add_argument("--rate", type=int, default=1000, help="requests a second of each kind")
    parser.add_argument("--durability", default="disk", choices=("os", "disk", "applied"))
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    parser.add_argument("--gateway", help="the gateway's binary, if not the one of this build")
    return parser.parse_args()


def main():
    flags = arguments()
    if not flags.no_build:
        servers.build()
    binaries = servers.binaries(flags.gateway)
    dressing = scenarios.shape(binaries)
    records = {"reference": [], "gateway": []}
    for _ in range(flags.rounds):
        reference = servers.Reference(binaries["reference"], "reference", dressing)
        records["reference"].append(steady(flags, reference))
        records["gateway"].append(steady(flags, servers.Gateway(binaries["gateway"], flags.durability)))
    within = compare(records)
    limit(binaries, flags)
    shutil.rmtree(servers.WORK / "bin")
    if not within:
        sys.exit(f"behind_nginx: a p99 is over {P99_RATIO_MAX} times that of the reference")


def steady(flags, server):
    """p99 of each kind in milliseconds, at a fixed rate; every request must succeed."""
    # What counts here is the ratio, so k6's own bound on the p99 is out of the way.
    settings = {"RATE": flags.rate, "DURATION": f"{flags.seconds}s", "ADDRESSES": 10_000, "P99_MS": 10_000}
    metrics = through_nginx(server, "steady.js", settings)
    return {kind: metrics[f"http_req_duration{{scenario:{kind}}}"]["p(99)"] for kind in ("count", "read")}


def compare(records):
    within = True
    for kind in ("count", "read"):
        reference, gateway = (statistics.median(r[kind] for r in records[who]) for who in ("reference", "gateway"))
        within &= gateway <= reference * P99_RATIO_MAX
        ratio = gateway / reference
        print(f"{kind}: p99 {gateway:.2f} ms, reference {reference:.2f} ms, ratio {ratio:.2f} (≤ {P99_RATIO_MAX})")
    return within


def limit(binaries, flags):
    settings = {"RATE_LIMIT_MAX": "100", "RATE_LIMIT_WINDOW": "60000"}
    gateway = servers.Gateway(binaries["gateway"], flags.durability, settings=settings)
    metrics = through_nginx(gateway, "limit.js", {})
    for name in sorted(metrics):
        if name.startswith("checks{"):
            print(f"{name[len('checks{check:'):-1]}: {metrics[name]['passes']:.0f} times, never otherwise")


def through_nginx(server, script, settings):
    """Runs k6 through an nginx of its own; returns k6's figures. Stops the server."""
    nginx = Nginx(server.address)
    try:
        metrics = k6(script, f"http://{nginx.address}", settings)
        if isinstance(server, servers.Gateway):
            counted, kept = sum(server.report().values()), metrics["visits_kept"]["count"]
            if counted != kept:
                raise servers.Failure(f"{script}: the report sums to {counted}, k6 was told of {kept:.0f} visits")
        if complaints := nginx.complaints():
            raise servers.Failure(f"nginx complained:\n{complaints}")
    finally:
        nginx.stop()
        server.stop()
    return metrics


def k6(script, target, settings):
    tools = pathlib.Path(os.environ.get("FOOTFALL_TEST_TOOLS", pathlib.Path.home() / ".cache" / "footfall-tools"))
    if not (tools / "k6").exists():
        raise servers.Failure(f"no k6 in {tools}: tests/setup.sh puts it there")
    with tempfile.TemporaryDirectory() as home:
        return run_k6(tools / "k6", script, target, settings, pathlib.Path(home) / "summary.json")


def run_k6(program, script, target, settings, out):
    command = [program, "run", "--quiet", "--no-usage-report", "--no-color", "--summary-export", out]
    for name, value in {"TARGET": target, **settings}.items():
        command += ["-e", f"{name}={value}"]
    # Not pinned: k6 needs more than a core now and then, and both servers bear that alike.
    ran = subprocess.run([*command, K6 / script], capture_output=True)
    if ran.returncode != 0:
        raise servers.Failure(f"k6 {script} against {target} failed:\n{ran.stdout.decode()}\n{ran.stderr.decode()}")
    return json.loads(out.read_text())["metrics"]


if __name__ == "__main__":
    try:
        main()
    except servers.Failure as failure:
        sys.exit(f"behind_nginx: {failure}")
