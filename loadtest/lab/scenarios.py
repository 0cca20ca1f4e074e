"""What is compared with what, and how one such run goes.

This machine's speed may change from one second to the next. So two servers that are compared run at the same time on
the same core, and the load turns from one to the other every half second: whatever slows one slows both.
"""

import dataclasses
import json
import subprocess
import statistics

from . import figures, servers
from .servers import Failure

COUNTRIES = (servers.ROOT / "loadtest" / "countries.txt").read_text().split()
# As many visits of each country before reports are read, so that every report has the same length.
VISITS_BEFORE_READING = 40 * len(COUNTRIES)
ADDRESSES_MANY = 1_000_000
TURN_SECONDS = 0.5


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
    rate: int = 0  # requests due each second; 0: as fast as the answers come
    before: int = 0  # visits sent first, not measured: of all countries, from `addresses`
    against: str | None = None  # the scenario that ratios are taken to, in turns with it


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


def generate(binaries, address, scenario, requests=None, seconds=0):
    """Runs the load generator, and checks that every request was answered with `2xx`."""
    path = "/api/v1/stats" if scenario.method == "GET" else "/api/v1/stats?countryCode={country}"
    command = [binaries["generator"], "--target", address, "--method", scenario.method, "--path", path]
    command += ["--countries", ",".join(COUNTRIES[: scenario.countries] if scenario.countries > 1 else ["GB"])]
    command += ["--addresses", scenario.addresses, "--connections", scenario.connections]
    command += ["--pipeline", scenario.pipeline, "--seconds", seconds, "--warmup", 0]
    if requests:
        command += ["--requests", requests]
    if scenario.rate:
        command += ["--rate", scenario.rate]
    ran = subprocess.run(servers.pinned(servers.CLIENT_CORE, command), capture_output=True, timeout=120)
    if ran.returncode != 0:
        raise Failure(f"the load generator failed:\n{ran.stderr.decode()}")
    result = json.loads(ran.stdout)
    if result["ok"] != result["sent"] or result["unknown"] or result["stuck"]:
        raise Failure(f"{scenario.name}: not every request was answered with 2xx: {result}")
    return result


class Side:
    """One server of a comparison: what it was asked and what it took."""

    def __init__(self, binaries, scenario, dressing, redis):
        self.binaries, self.scenario, self.redis = binaries, scenario, redis if scenario.redis else None
        if self.redis:
            self.redis.reset()
        self.server = start(binaries, scenario, dressing, self.redis)
        self.kept, self.answers, self.cpu, self.turns = 0, 0, 0.0, []

    def prepare(self, warmup):
        """Visits that must be there first, and a warm-up."""
        scenario = self.scenario
        if scenario.before:
            first = dataclasses.replace(scenario, method="POST", countries=len(COUNTRIES), pipeline=16, connections=64)
            self.kept += generate(self.binaries, self.server.address, first, requests=scenario.before)["ok"]
        self.turn(warmup)
        self.answers, self.cpu, self.turns = 0, 0.0, []

    def turn(self, seconds):
        began = figures.cpu_seconds(self.server.pid)
        result = generate(self.binaries, self.server.address, self.scenario, seconds=seconds)
        self.cpu += figures.cpu_seconds(self.server.pid) - began
        self.answers += result["answers"]
        self.kept += result["ok"] if self.scenario.method == "POST" else 0
        self.turns.append(result)

    def record(self):
        """What its turns came to; raises a Failure when the counters differ from what the client saw."""
        result = {
            "scenario": self.scenario.name,
            "rps": statistics.median(turn["rps"] for turn in self.turns),
            "cpu_us": self.cpu * 1e6 / self.answers,
            "latency_us": self.latencies(),
            "generator_busy": statistics.median(turn["generator_cpu_us"] * turn["rps"] / 1e6 for turn in self.turns),
            "turns": [turn["rps"] for turn in self.turns],
        }
        result["rss_kb"], result["rss_max_kb"] = figures.memory_kb(self.server.pid)
        if self.scenario.server == "gateway":
            result |= check(self.server, self.scenario, self.redis, self.kept)
        return result

    def latencies(self):
        return {name: statistics.median(turn["latency_us"][name] for turn in self.turns) for name in ("p50", "p99")}

    def stop(self):
        if not self.server.alive():
            return
        self.server.stop()
        if self.redis and self.redis.visits() != self.kept:
            held = self.redis.visits()
            raise Failure(f"{self.scenario.name}: Redis holds {held} visits, the client was told of {self.kept}")


def compare(binaries, pair, dressing, redises, seconds, warmup):
    """Two servers in turns, or one alone; their records, the first with its ratios to the second."""
    sides = []
    try:
        for scenario, redis in zip(pair, redises):
            sides.append(Side(binaries, scenario, dressing, redis))
        for side in sides:
            side.prepare(warmup)
        for number in range(max(1, round(seconds / TURN_SECONDS))):
            # Who is first changes, so that a trend of the machine favours neither.
            for side in sides if number % 2 else reversed(sides):
                side.turn(TURN_SECONDS)
        records = [side.record() for side in sides]
    finally:
        for side in sides:
            side.stop()
    if len(records) == 2:
        ours, theirs = records
        ours["rps_ratio"] = statistics.median(own / other for own, other in zip(ours["turns"], theirs["turns"]))
        ours["cpu_ratio"] = ours["cpu_us"] / theirs["cpu_us"]
    return records


def system_calls(binaries, scenario, dressing, redis, seconds):
    """System calls per request, in a run of its own."""
    side = Side(binaries, scenario, dressing, redis)
    try:
        side.prepare(0.3)
        calls = figures.SystemCalls(side.server.pid)
        side.turn(seconds)
        counted = calls.count() / side.answers
        side.record()
    finally:
        side.stop()
    return counted


def start(binaries, scenario, dressing, redis):
    if scenario.server != "gateway":
        return servers.Reference(binaries["reference"], scenario.server, dressing)
    return servers.Gateway(binaries["gateway"], scenario.durability, redis.url if redis else None)


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
        found["script_calls_per_1000"] = redis.script_calls() * 1e3 / max(1, kept)
    return found
