"""What is compared with what, and how one such run goes."""

import dataclasses
import json
import os
import subprocess
import time

from . import figures, servers
from .servers import Failure

COUNTRIES = (servers.ROOT / "loadtest" / "countries.txt").read_text().split()
# As many visits of each country before reports are read, so that every report has the same length.
VISITS_BEFORE_READING = 40 * len(COUNTRIES)
ADDRESSES_MANY = 1_000_000


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    server: str = "gateway"  # or reference, or empty
    connections: int = 64
    durability: str = "os"
    redis: bool = False
    method: str = "POST"
    countries: int = 1
    addresses: int = 0  # named in turn in X-Forwarded-For; 0 sends no such header
    pipeline: int = 1
    before: int = 0  # visits sent first, not measured: of all countries, from `addresses`
    against: str | None = None  # the scenario that ratios are taken to, in the same round


def scenarios():
    """One round, in the order it is run: what is compared stands close together."""
    found = []
    for connections in (64, 256, 1024):
        reference = f"reference, {connections} connections"
        found.append(Scenario(reference, "reference", connections))
        found.append(Scenario(f"empty 204, {connections} connections", "empty", connections, against=reference))
        for durability in ("os", "disk", "applied"):
            for redis in (False, True):
                name = f"{durability}, {connections} connections" + (", Redis" if redis else "")
                found.append(Scenario(name, "gateway", connections, durability, redis, against=reference))
    every = len(COUNTRIES)
    found += [
        Scenario("os, 249 countries", countries=every, against="os, 64 connections"),
        Scenario("os, 249 countries, Redis", countries=every, redis=True, against="os, 64 connections, Redis"),
        Scenario("os, 1 address", addresses=1),
        Scenario(
            "os, 1,000,000 addresses", addresses=ADDRESSES_MANY, before=ADDRESSES_MANY, against="os, 1 address"
        ),
        Scenario("reference, reading", "reference", method="GET"),
        Scenario("reading", method="GET", before=VISITS_BEFORE_READING, against="reference, reading"),
        Scenario("reference, pipelined x16", "reference", pipeline=16),
        Scenario("os, pipelined x16", pipeline=16, against="reference, pipelined x16"),
        Scenario("disk, pipelined x16", durability="disk", pipeline=16, against="reference, pipelined x16"),
    ]
    return found


# System calls are counted in runs of their own.
COUNTED = (
    "reference, 64 connections",
    "os, 64 connections",
    "os, 64 connections, Redis",
    "disk, 64 connections",
    "disk, 64 connections, Redis",
    "reading",
)


def chosen(pattern):
    """The scenarios whose names match, with those they are compared to."""
    every = scenarios()
    wanted = {scenario.name for scenario in every if pattern.search(scenario.name)}
    wanted |= {scenario.against for scenario in every if scenario.name in wanted}
    return [scenario for scenario in every if scenario.name in wanted]


def shape(binaries):
    """The flags that dress the reference server as the gateway: headers and lengths as they come over the wire."""
    gateway = servers.Gateway(binaries["gateway"])
    try:
        generate(binaries, gateway.address, Scenario("", countries=len(COUNTRIES)), VISITS_BEFORE_READING)
        post = servers.request(gateway.address, "POST", "/api/v1/stats?countryCode=GB")
        get = servers.request(gateway.address, "GET", "/api/v1/stats")
    finally:
        gateway.stop()
    if (post[0], get[0]) != (201, 200):
        raise Failure(f"the gateway answered {post[0]} and {get[0]}, not 201 and 200")
    # Totals of a run have six digits most of the time.
    length = len('{"gb":123456}')
    return [*dress("post", post, length), *dress("get", get, len(get[2]))]


def dress(call, answer, length):
    own = ("content-length", "date", "connection")
    flags = [f"--{call}-bytes", str(length)]
    for name, value in answer[1]:
        if name.lower() not in own:
            flags += [f"--{call}-header", f"{name}: {value}"]
    return flags


def generate(binaries, address, scenario, requests=None, seconds=0, warmup=0):
    """Runs the load generator, and checks that every request was answered with `2xx`."""
    path = "/api/v1/stats" if scenario.method == "GET" else "/api/v1/stats?countryCode={country}"
    command = [binaries["generator"], "--target", address, "--method", scenario.method, "--path", path]
    command += ["--countries", ",".join(COUNTRIES[: scenario.countries] if scenario.countries > 1 else ["GB"])]
    command += ["--addresses", scenario.addresses, "--connections", scenario.connections]
    command += ["--pipeline", scenario.pipeline, "--seconds", seconds, "--warmup", warmup]
    if requests:
        command += ["--requests", requests]
    ran = subprocess.run(servers.pinned(servers.CLIENT_CORE, command), capture_output=True, timeout=120)
    if ran.returncode != 0:
        raise Failure(f"the load generator failed:\n{ran.stderr.decode()}")
    result = json.loads(ran.stdout)
    if result["ok"] != result["sent"] or result["unknown"] or result["stuck"]:
        raise Failure(f"{scenario.name}: not every request was answered with 2xx: {result}")
    return result


def run(binaries, scenario, dressing, redis, seconds, warmup, count_calls=False):
    """One run on a fresh server. Raises a Failure when the counters differ from what the client saw."""
    server = start(binaries, scenario, dressing, redis)
    try:
        kept = 0
        if scenario.before:
            first = dataclasses.replace(scenario, method="POST", countries=len(COUNTRIES), pipeline=16, connections=64)
            kept += generate(binaries, server.address, first, requests=scenario.before)["ok"]
        calls = figures.SystemCalls(server.pid) if count_calls else None
        meter = Meter(server, redis)
        result = generate(binaries, server.address, scenario, seconds=seconds, warmup=warmup)
        cpu, others = meter.read(result)
        kept += result["ok"] if scenario.method == "POST" else 0
        record = {**result, "scenario": scenario.name, "cpu_us": cpu * 1e6 / result["answers"]}
        record["others_busy"] = others
        record["generator_busy"] = result["generator_cpu_us"] * result["rps"] / 1e6
        if calls:
            record["system_calls"] = calls.count() / result["answers"]
        record["rss_kb"], record["rss_max_kb"] = figures.memory_kb(server.pid)
        if scenario.server == "gateway":
            record |= check(server, scenario, redis, kept)
    finally:
        if server.alive():
            server.stop()
    if scenario.redis and redis.visits() != kept:
        raise Failure(f"{scenario.name}: Redis holds {redis.visits()} visits, the client was told of {kept}")
    return record


class Meter:
    """CPU time of the server during a run, and the share of the machine that neither side of the run used."""

    def __init__(self, server, redis):
        self.pids = [server.pid] + ([redis.process.pid] if redis else [])
        self.began = self.now()

    def now(self):
        return time.monotonic(), figures.machine_cpu_seconds(), *map(figures.cpu_seconds, self.pids)

    def read(self, result):
        wall, machine, *ours = (now - before for now, before in zip(self.now(), self.began))
        generator = result["generator_cpu_us"] * result["answers"] / 1e6
        others = (machine - sum(ours) - generator) / (wall * os.cpu_count())
        return ours[0], max(0.0, others)


def start(binaries, scenario, dressing, redis):
    if scenario.server != "gateway":
        return servers.Reference(binaries["reference"], scenario.server, dressing)
    if scenario.redis:
        redis.reset()
    return servers.Gateway(binaries["gateway"], scenario.durability, redis.url if scenario.redis else None)


def check(gateway, scenario, redis, kept):
    """Counters against answers; and what the gateway says about itself."""
    counted = sum(gateway.report().values())
    if counted != kept:
        raise Failure(f"{scenario.name}: the report sums to {counted}, the client was told of {kept} visits")
    _, _, text = servers.request(gateway.admin, "GET", "/metrics")
    found = {"kept": kept, "counted": counted}
    if scenario.durability != "os":
        name = "footfall_journal_sync_seconds"
        found["sync_p50_ms"] = figures.histogram_quantile_ms(text.decode(), name, 0.5)
    if scenario.redis:
        found["script_calls_per_1000"] = redis.script_calls() * 1e3 / kept
    return found
