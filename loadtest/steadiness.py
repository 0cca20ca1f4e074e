#!/usr/bin/env python3
"""Three promises about latency and trouble: throughput while Redis stands still; p99 at a fixed rate, against the
reference server in turns; what one lonely connection waits for in `disk` mode. Ends with an error when one is missed.
"""

import argparse
import signal
import statistics
import sys

from lab import figures, scenarios, servers
from lab.scenarios import Scenario

STOPPED_SECONDS = 10
SPELLS = 5
RATE = 10_000
RATE_TURNS = 10
RATE_TURN_SECONDS = 3
LONELY_TURNS = 10
# What a lonely visit in `disk` mode may take beyond the reference's answer and one sync, in microseconds.
LONELY_EXTRA_US = 150


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    if not parser.parse_args().no_build:
        servers.build()
    binaries = servers.binaries()
    about = figures.machine()
    print(f"{about['cpu']}, {about['cores']} cores, {about['kernel']}")
    dressing = scenarios.shape(binaries)
    promises = [redis_stands_still(binaries), fixed_rate(binaries, dressing), lonely(binaries, dressing)]
    for what, figure, sign, bound in promises:
        print(f"- {what}: {figure:.2f} ({sign} {bound:.2f}{'' if holds(figure, sign, bound) else ', MISSED'})")
    sys.exit(0 if all(holds(*promise[1:]) for promise in promises) else 1)


def holds(figure, sign, bound):
    return figure >= bound if sign == ">=" else figure <= bound


def redis_stands_still(binaries):
    """Full load in spells of ten seconds; Redis is stopped in every second one."""
    redis = servers.Redis()
    side = scenarios.Side(binaries, Scenario("os, Redis", redis=True), None, redis)
    try:
        side.prepare(1)
        for number in range(SPELLS):
            if number % 2:
                redis.process.send_signal(signal.SIGSTOP)
            side.turn(STOPPED_SECONDS)
            redis.process.send_signal(signal.SIGCONT)
        rates = [turn["rps"] for turn in side.turns]
        side.record()
    finally:
        redis.process.send_signal(signal.SIGCONT)
        side.stop()
        redis.stop()
    around = [(rates[place - 1] + rates[place + 1]) / 2 for place in range(1, SPELLS, 2)]
    print("  requests/s, Redis stopped in every second spell:", ", ".join(f"{rate:,.0f}" for rate in rates))
    ratio = statistics.median(rates[place] / usual for place, usual in zip(range(1, SPELLS, 2), around))
    return "throughput while Redis is stopped for 10 s, to the usual", ratio, ">=", 0.95


def fixed_rate(binaries, dressing):
    sides = pair(binaries, dressing, Scenario("os", rate=RATE), Scenario("reference", "reference", rate=RATE))
    try:
        take_turns(sides, RATE_TURNS, RATE_TURN_SECONDS)
        ours, theirs = (statistics.median(turn["latency_us"]["p99"] for turn in side.turns) for side in sides)
        sides[0].record()
    finally:
        stop(sides)
    print(f"  p99 at {RATE:,} requests/s: {ours:.0f} µs, the reference {theirs:.0f} µs")
    return f"p99 at {RATE:,} requests/s in os, to the reference", ours / theirs, "<=", 1.25


def lonely(binaries, dressing):
    one = Scenario("disk", durability="disk", connections=1)
    sides = pair(binaries, dressing, one, Scenario("reference", "reference", connections=1))
    try:
        take_turns(sides, LONELY_TURNS, 1)
        ours, theirs = (statistics.median(turn["latency_us"]["p50"] for turn in side.turns) for side in sides)
        sync_us = sides[0].record()["sync_p50_ms"] * 1e3
    finally:
        stop(sides)
    print(f"  one connection, p50: disk {ours:.0f} µs, the reference {theirs:.0f} µs, a sync {sync_us:.0f} µs")
    return "one connection in disk, µs beyond the reference and a sync", ours - theirs - sync_us, "<=", LONELY_EXTRA_US


def pair(binaries, dressing, *two):
    return [scenarios.Side(binaries, scenario, dressing, None) for scenario in two]


def take_turns(sides, turns, seconds):
    for side in sides:
        side.prepare(1)
    for number in range(turns):
        for side in sides if number % 2 else reversed(sides):
            side.turn(seconds)


def stop(sides):
    for side in sides:
        side.stop()


if __name__ == "__main__":
    try:
        main()
    except servers.Failure as failure:
        sys.exit(f"steadiness: {failure}")
