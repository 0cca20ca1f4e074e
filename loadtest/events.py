#!/usr/bin/env python3
"""Events instead of visits: single ones of 250 bytes against the reference server on the same body, in turns; batches of
100 as fast as the gateway takes them; and a made-up shop's traffic from `footfall generate`, with ids.

What is measured and how: loadtest/README.md. Ends with an error when the gateway kept another number of events than its
clients were told; with --strict also when a promise is missed.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time

from lab import figures, servers
from lab.servers import Failure

PATH = "/api/v1/events"
SINGLE_BYTES = 250
BATCH = 100
TOOLS = ("reference", "generator")
BATCHES = 200  # different bodies, sent in turn
BATCH_CONNECTIONS = 16
TURN_SECONDS = 0.5
AT_LEAST = {"os": 0.8, "disk": 0.55}
ANON_MB_AT_MOST = 600


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the comparisons (3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="time for each of two compared servers (4)")
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the shop's traffic (1,000,000)")
    parser.add_argument("--only", default="", help="a pattern: what to measure of single, batches and shop")
    parser.add_argument("--strict", action="store_true", help="end with an error when a promise is missed")
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    parser.add_argument("--gateway", help="the gateway's binary, if not the one of this build")
    return parser.parse_args()


def main():
    flags = arguments()
    if not flags.no_build:
        servers.build(TOOLS)
    binaries = servers.binaries(flags.gateway, TOOLS)
    about = figures.machine()
    print(f"{about['cpu']}, {about['cores']} cores, {about['kernel']}; fdatasync alone takes "
          f"{figures.plain_sync_ms(servers.WORK):.3f} ms")
    promises = []
    for name, measure in (("single", singles), ("batches", batches), ("shop", shop)):
        if re.search(flags.only, name):
            promises += measure(binaries, flags)
    for what, figure, sign, bound in promises:
        kept = figure >= bound if sign == "≥" else figure <= bound
        print(f"- {what}: {figure:.2f} ({sign} {bound:g}{'' if kept else ', MISSED'})")
        if flags.strict and not kept:
            sys.exit("a promise was missed")


class Gateway(servers.Gateway):
    """A gateway with a site and a write key; its keyless limit is out of the way too."""

    def __init__(self, binary, durability, settings=None, core=servers.SERVER_CORE):
        settings = {"FOOTFALL_LIMIT_KEYLESS_MAX": "0", **(settings or {})}
        super().__init__(binary, durability, settings=settings, core=core)
        self.binary = binary
        self.env = {"FOOTFALL_DATA_DIR": str(self.data / "data"), "PATH": os.environ["PATH"]}
        self.administer("site", "add", "shop")
        self.key = self.new_key("write")

    def administer(self, *words):
        command = [self.binary, *words]
        ran = subprocess.run(command, env=self.env, cwd=self.data, capture_output=True, check=True)
        return ran.stdout.decode().strip()

    def new_key(self, rights):
        """A key that the gateway knows when this returns."""
        known, deadline = self.metric("footfall_directory_keys"), time.monotonic() + 10
        key = self.administer("key", "add", "shop", "--rights", rights)
        while self.metric("footfall_directory_keys") <= known:
            if time.monotonic() > deadline:
                raise Failure("the gateway does not see its key")
            time.sleep(0.05)
        return key

    def metric(self, name):
        _, _, text = servers.request(self.admin, "GET", "/metrics")
        found = re.search(rf"^{name} (\d+)", text.decode(), re.M)
        return int(found.group(1)) if found else 0

    def check(self, told):
        kept = self.metric("footfall_events_kept_total")
        if kept != told:
            raise Failure(f"the gateway kept {kept} events, its clients were told of {told}")


def single_body():
    event = {
        "name": "product_view", "url": "https://shop.example/shoes/product-17?ref=list",
        "referrer": "https://shop.example/shoes", "visitor": "7b0c3f3e-5f3c-4f0a-9a53-3a1f0c1d2e4b",
        "screen": "1920x1080", "properties": {"sku": "SKU-17", "price": 49.9, "note": ""},
    }  # fmt: skip
    missing = SINGLE_BYTES - len(json.dumps(event, separators=(",", ":")))
    event["properties"]["note"] = "x" * missing
    return json.dumps(event, separators=(",", ":"))


def file_of(lines):
    path = servers.WORK / "bodies.ndjson"
    path.write_text("\n".join(lines) + "\n")
    return path


def generate(binaries, server, bodies, connections, seconds):
    command = [binaries["generator"], "--target", server.address, "--path", PATH, "--bodies", bodies]
    command += ["--connections", connections, "--seconds", seconds, "--warmup", 0]
    if getattr(server, "key", None):
        command += ["--header", f"x-api-key: {server.key}"]
    ran = subprocess.run(servers.pinned(servers.CLIENT_CORE, command), capture_output=True, timeout=120)
    if ran.returncode != 0:
        raise Failure(f"the load generator failed:\n{ran.stderr.decode()}")
    result = json.loads(ran.stdout)
    if result["ok"] != result["sent"] or result["unknown"] or result["stuck"]:
        raise Failure(f"not every request was answered with 2xx: {result}")
    return result


def dressing(binaries, body):
    """The flags that dress the reference server as the gateway answers an event."""
    gateway = Gateway(binaries["gateway"], "os")
    try:
        connection = servers.http.client.HTTPConnection(gateway.address, timeout=10)
        headers = {"Content-Type": "application/json", "X-API-Key": gateway.key}
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        sent = answer.read()
        names = answer.getheaders()
        connection.close()
    finally:
        gateway.stop()
    if answer.status != 202:
        raise Failure(f"the gateway answered {answer.status}: {sent}")
    flags = ["--post-status", str(answer.status), "--post-bytes", str(len(sent))]
    for name, value in names:
        if name.lower() not in ("content-length", "date", "connection"):
            flags += ["--post-header", f"{name}: {value}"]
    return flags


def singles(binaries, flags):
    """Single events against the reference server, in turns."""
    body = single_body()
    bodies, dressed, promises = file_of([body]), dressing(binaries, body), []
    for connections in (64, 256):
        for durability in ("os", "disk"):
            ratios, rates, cpus, cpu_ratios = [], [], [], []
            for _ in range(flags.rounds):
                found = compare(binaries, (durability, connections), bodies, dressed, flags.seconds)
                for figure, figures_so_far in zip(found, (ratios, rates, cpus, cpu_ratios)):
                    figures_so_far.append(figure)
            ratio = statistics.median(ratios)
            print(f"single events, {durability}, {connections} connections: {statistics.median(rates):,.0f}/s, "
                  f"{ratio:.2f} of the reference; {statistics.median(cpus):.1f} µs of CPU each, "
                  f"{statistics.median(cpu_ratios):.2f} of the reference", flush=True)
            promises.append((f"single events, {durability}, {connections} connections", ratio, "≥", AT_LEAST[durability]))
    return promises


def compare(binaries, kind, bodies, dressed, seconds):
    durability, connections = kind
    with contextlib.ExitStack() as stack:
        ours = Gateway(binaries["gateway"], durability)
        stack.callback(ours.stop)
        theirs = servers.Reference(binaries["reference"], "reference", dressed)
        stack.callback(theirs.stop)
        turns, cpu, answers = {ours: [], theirs: []}, {ours: 0.0, theirs: 0.0}, {ours: 0, theirs: 0}
        warm = {server: generate(binaries, server, bodies, connections, 0.3)["ok"] for server in turns}
        for number in range(max(1, round(seconds / TURN_SECONDS))):
            for server in (ours, theirs) if number % 2 else (theirs, ours):
                before = figures.cpu_seconds(server.pid)
                result = generate(binaries, server, bodies, connections, TURN_SECONDS)
                turns[server].append(result["rps"])
                cpu[server] += figures.cpu_seconds(server.pid) - before
                answers[server] += result["ok"]
        ours.check(warm[ours] + answers[ours])
    ratio = statistics.median(own / other for own, other in zip(turns[ours], turns[theirs]))
    each = {server: cpu[server] * 1e6 / answers[server] for server in turns}
    return ratio, statistics.median(turns[ours]), each[ours], each[ours] / each[theirs]


class Anonymous(threading.Thread):
    """Watches the anonymous memory of a process, in MB."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status, self.highest, self.now, self.ended = pathlib.Path(f"/proc/{pid}/status"), 0.0, 0.0, False
        self.look()
        self.start()

    def look(self):
        self.now = int(re.search(r"^RssAnon:\s+(\d+) kB", self.status.read_text(), re.M).group(1)) / 1024
        self.highest = max(self.highest, self.now)

    def run(self):
        while not self.ended:
            self.look()
            time.sleep(0.1)

    def end(self):
        self.ended = True
        self.join()


def made_up(binaries, events, *more):
    command = [binaries["gateway"], "generate", "--events", str(events), *more]
    ran = subprocess.run(command, capture_output=True, check=True, cwd=servers.WORK)
    return ran.stdout.decode().splitlines()


def batches(binaries, flags):
    """Bodies of 100 events without ids, made before: what the gateway takes."""
    lines = made_up(binaries, BATCH * BATCHES, "--without-ids")
    groups = [lines[at:at + BATCH] for at in range(0, len(lines), BATCH)]
    bodies = file_of(["[" + ",".join(group) + "]" for group in groups])
    bytes_each = bodies.stat().st_size / len(lines)
    found = []
    for durability in ("os", "disk"):
        gateway = Gateway(binaries["gateway"], durability)
        try:
            told = generate(binaries, gateway, bodies, BATCH_CONNECTIONS, 0.5)["ok"]
            watch, before = Anonymous(gateway.pid), figures.cpu_seconds(gateway.pid)
            result = generate(binaries, gateway, bodies, BATCH_CONNECTIONS, flags.seconds)
            watch.end()
            cpu = (figures.cpu_seconds(gateway.pid) - before) * 1e6 / (result["ok"] * BATCH)
            gateway.check((told + result["ok"]) * BATCH)
        finally:
            gateway.stop()
        print(f"batches of {BATCH} ({bytes_each:.0f} bytes an event), {durability}: {result['rps'] * BATCH:,.0f} events/s, "
              f"{cpu:.2f} µs of CPU an event, p99 {result['latency_us']['p99'] / 1e3:.1f} ms, anonymous memory up to "
              f"{watch.highest:.0f} MB", flush=True)
        found.append((f"batches, {durability}: anonymous memory, MB", watch.highest, "≤", ANON_MB_AT_MOST))
    return found


def shop(binaries, flags):
    """A shop's traffic with ids, made while it is sent."""
    gateway = Gateway(binaries["gateway"], "disk")
    try:
        watch = Anonymous(gateway.pid)
        idle = watch.now
        command = [binaries["gateway"], "generate", "--to", f"http://{gateway.address}", "--key", gateway.key]
        command += ["--events", flags.events, "--days", 7, "--batch", BATCH, "--connections", BATCH_CONNECTIONS, "--json"]
        ran = subprocess.run(servers.pinned(servers.CLIENT_CORE, command), capture_output=True, cwd=servers.WORK)
        watch.end()
        if ran.returncode != 0:
            raise Failure(f"generate failed:\n{ran.stderr.decode()}\n{ran.stdout.decode()}")
        told = json.loads(ran.stdout)
        gateway.check(told["accepted"])
    finally:
        gateway.stop()
    rate = told["accepted"] / told["seconds"]
    print(f"a shop's traffic with ids, batches of {BATCH}, disk: {told['accepted']:,} events, {rate:,.0f}/s, anonymous "
          f"memory up to {watch.highest:.0f} MB (idle {idle:.0f} MB)", flush=True)
    return [
        ("a shop's traffic: events/s", rate, "≥", 45_000),
        ("a shop's traffic: anonymous memory, MB", watch.highest, "≤", ANON_MB_AT_MOST),
    ]


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"events: {failure}")
