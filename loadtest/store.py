#!/usr/bin/env python3
"""Events all the way into the store, and out again: a made-up shop's traffic over HTTP in batches of 100 as fast as it is
taken, until the store has all of it; then questions, while 500 events a second come in.

The gateway, the sender and who asks share the machine. Questions differ from one time to the next, so that none is
answered from the cache but the one that is asked again. Ends with an error when the store lacks an event that was
accepted, or `verify` finds a difference; with --strict also when a promise is missed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from datetime import datetime, timedelta, timezone

from events import Anonymous, Gateway
from lab import figures, servers
from lab.servers import Failure

COUNTRIES = ["de", "gb", "fr", "nl", "at", "us", "es", "it", "pl", "se", "dk", "be", "ch", "ie", "pt"]
TIMES = 20
RATE_BESIDE = 500
STORED_WITHIN_SECONDS = 600
REST_SECONDS = 40  # writers of the store are closed after 30
NOW = datetime.now(timezone.utc)
YESTERDAY = f"{NOW - timedelta(days=1):%Y-%m-%d}"
EVERY_CORES = f"{servers.SERVER_CORE},{servers.CLIENT_CORE}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the shop's traffic (10,000,000)")
    parser.add_argument("--strict", action="store_true", help="end with an error when a promise is missed")
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    parser.add_argument("--gateway", help="the gateway's binary, if not the one of this build")
    return parser.parse_args()


def main():
    flags = arguments()
    if not flags.no_build:
        servers.build(("store_fill",))
    binaries = servers.binaries(flags.gateway, ("store_fill",))
    binary = binaries["gateway"]
    about = figures.machine()
    print(f"{about['cpu']}, {about['cores']} cores, {about['kernel']}")
    gateway = Gateway(binary, "disk", settings={"FOOTFALL_EDGE_WORKERS": "2"}, core=EVERY_CORES)
    try:
        promises = fill(binary, gateway, flags.events)
        beside = sender(binary, gateway, "--rate", f"{RATE_BESIDE}/s", "--seconds", 3_600, "--seed", 9)
        try:
            promises += ask(Asker(gateway))
        finally:
            beside.kill()
            beside.wait()
        time.sleep(REST_SECONDS)
        watch = Anonymous(gateway.pid)
        watch.end()
        idle = watch.now
        promises.append(("idle: anonymous memory, MB", idle, "≤", 150))
        stored = gateway.metric("footfall_store_events")
        promises.append(("disk: bytes an event", size(gateway, "events") / stored, "≤", 90))
        visits = size(gateway, "sessions") / stored
        print(f"visits take {visits:.1f} bytes an event more", flush=True)
        verify(binary, gateway)
        columns(binaries["store_fill"], gateway)
    finally:
        gateway.stop()
    for what, figure, sign, bound in promises:
        kept = figure >= bound if sign == "≥" else figure <= bound
        print(f"- {what}: {figure:,.1f} ({sign} {bound:,}{'' if kept else ', MISSED'})")
        if flags.strict and not kept:
            sys.exit("a promise was missed")


def sender(binary, gateway, *more):
    command = [binary, "generate", "--to", f"http://{gateway.address}", "--key", gateway.key, *more, "--json"]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=servers.WORK)


def fill(binary, gateway, events):
    watch, began = Anonymous(gateway.pid), time.monotonic()
    told = json.loads(sender(binary, gateway, "--events", events, "--days", 7).communicate()[0])
    answered = time.monotonic()
    while gateway.metric("footfall_store_events") < told["accepted"]:
        if time.monotonic() - answered > STORED_WITHIN_SECONDS:
            raise Failure(f"of {told['accepted']} events the store has {gateway.metric('footfall_store_events')}")
        time.sleep(0.1)
    stored = time.monotonic()
    watch.end()
    print(f"{told['accepted']:,} events, batches of 100, disk: answered at {told['accepted'] / (answered - began):,.0f}/s, "
          f"all in the store {stored - answered:.1f} s after the last answer", flush=True)
    return [
        ("into the store: events/s", told["accepted"] / (stored - began), "≥", 45_000),
        ("meanwhile: anonymous memory, MB", watch.highest, "≤", 600),
    ]


class Asker:
    """Asks with a read key; milliseconds and answers."""

    def __init__(self, gateway):
        self.address = gateway.address
        key = gateway.new_key("read")
        self.headers = {"Authorization": f"Bearer {key}", "X-API-Key": key, "Content-Type": "application/json"}

    def ask(self, path, body=None):
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"http://{self.address}{path}", data, self.headers)
        began = time.monotonic()
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = answer.read()
        return (time.monotonic() - began) * 1e3, json.loads(found)

    def query(self, body):
        return self.ask("/api/v1/query", {"date_range": "30d", **body})[0]

    def summary(self, begin, end, cached):
        """A summary of the apps dialect, which must say whether it was made for somebody before."""
        spent, found = self.ask(f"/api/analytics/event-summary?startDate={begin}&endDate={end}")
        if found["cached"] != cached or sum(found["eventBreakdown"].values()) != found["totalEvents"]:
            raise Failure(f"a summary from {begin} to {end}: {found}")
        return spent


def questions():
    """Name, question of the n-th time, and the most milliseconds that it may take at the 95th percentile."""

    def filters(turn):
        return [["is", "country", [COUNTRIES[turn % len(COUNTRIES)]]], ["is_not", "name", ["purchase"]]]

    return [
        ("tags by events, two filters", lambda turn: {
            "metrics": ["events"], "dimensions": ["utm_source"], "filters": filters(turn), "limit": 50 + turn}, 60),
        ("tags by visitors, two filters", lambda turn: {
            "metrics": ["visitors"], "dimensions": ["utm_source"], "filters": filters(turn), "limit": 50 + turn}, 60),
        ("pages by events, two filters", lambda turn: {
            "metrics": ["events"], "dimensions": ["path"], "filters": filters(turn), "limit": 10 + turn}, 60),
        ("top pages", lambda turn: {"metrics": ["events"], "dimensions": ["path"], "limit": 10 + turn}, 60),
        ("visits by source, a filter", lambda turn: {
            "metrics": ["visits", "bounce_rate"], "dimensions": ["source"], "filters": filters(turn)[:1], "limit": 50 + turn}, 60),
        ("visits by day", lambda turn: {
            "metrics": ["visits", "visit_duration"], "dimensions": ["time:day"], "limit": 100 + turn}, 150),
        ("visits with a page", lambda turn: {
            "metrics": ["visits"], "filters": [["contains", "path", [f"{turn}"]]]}, 200),
        ("daily uniques", lambda turn: {"metrics": ["visitors"], "dimensions": ["time:day"], "limit": 100 + turn}, 150),
    ]  # fmt: skip


def ask(asker):
    found = []
    for name, question, bound in questions():
        found.append(timed(name, [asker.query(question(turn)) for turn in range(TIMES)], bound))
    past = {"metrics": ["events"], "dimensions": ["country"], "date_range": "yesterday"}
    found.append(timed("the same again, of the past", [asker.query(past) for _ in range(TIMES + 1)][1:], 2))
    # Six days and more, cut at another minute each time, so that little of what was counted before is of use.
    days = [(NOW - timedelta(days=7, minutes=-37 * turn), NOW - timedelta(minutes=11 * turn)) for turn in range(TIMES)]
    days = [[f"{time:%Y-%m-%dT%H:%M:00Z}" for time in both] for both in days]
    found.append(timed("event summary (apps)", [asker.summary(*both, False) for both in days], 200))
    asker.summary(YESTERDAY, YESTERDAY, False)
    found.append(timed("the same again, of the past (apps)", [asker.summary(YESTERDAY, YESTERDAY, True) for _ in range(TIMES)], 2))
    listed = asker.ask("/api/v1/events?limit=1000")[1]["events"]
    users = list(dict.fromkeys(event["user"] for event in listed if event.get("user")))[:TIMES]
    found.append(timed("a user's history", [asker.ask(f"/api/v1/users/{user}/events")[0] for user in users], 20))
    return found


def timed(name, times, bound):
    times.sort()
    highest = times[int(len(times) * 0.95) - 1]
    print(f"{name}: median {statistics.median(times):.1f} ms, p95 {highest:.1f} ms, longest {times[-1]:.1f} ms", flush=True)
    return f"{name}: p95, ms", highest, "≤", bound


def size(gateway, folder):
    """Bytes of the files of a store."""
    return sum(path.stat().st_size for path in (gateway.data / "data" / folder).rglob("*") if path.is_file())


def verify(binary, gateway):
    gateway.end()
    ran = subprocess.run([binary, "verify"], env=gateway.env, cwd=gateway.data, capture_output=True)
    if ran.returncode != 0:
        raise Failure(f"verify found something:\n{ran.stdout.decode()}{ran.stderr.decode()}")


def columns(store_fill, gateway):
    """Says what the store's bytes are spent on."""
    command = [store_fill, gateway.data / "data" / "events", "--sizes"]
    sizes = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    whole, shares = sizes["bytes_an_event"], {}
    for name, each in sizes["bytes_an_event_by_column"].items():
        # What is only returned is one piece; a column is its values and, if it has any, its terms.
        kind, _, column = name.partition(" ")
        shares.setdefault(column or kind, {})[kind] = each
    print(f"{whole:.1f} bytes an event, by column:")
    for name, parts in sorted(shares.items(), key=lambda share: -sum(share[1].values())):
        each, terms = sum(parts.values()), parts.get("terms", 0)
        print(f"  {name}: {each:.2f} ({each / whole:.1%}){f', of it terms {terms:.2f}' if terms else ''}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"store: {failure}")
