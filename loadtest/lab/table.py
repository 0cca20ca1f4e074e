"""Medians, ratios, targets; the page a person reads."""

import statistics

# What the project promises of itself: scenario, figure, bound.
AT_LEAST = (
    ("os, 64 connections", "rps_ratio", 0.9),
    ("os, 64 connections, Redis", "rps_ratio", 0.9),
    ("os, 1024 connections", "rps_ratio", 0.85),
    ("os, 1024 connections, Redis", "rps_ratio", 0.85),
    ("disk, 64 connections", "rps_ratio", 0.6),
    ("disk, 64 connections, Redis", "rps_ratio", 0.6),
    ("disk, 256 connections", "rps_ratio", 0.72),
    ("disk, 256 connections, Redis", "rps_ratio", 0.72),
    ("reading", "rps_ratio", 0.93),
)
AT_MOST = (
    ("os, 64 connections", "cpu_ratio", 1.15),
    ("os, 64 connections, Redis", "cpu_ratio", 1.15),
    ("os, 249 countries", "cpu_ratio", 1.1),
    ("os, 249 countries, Redis", "cpu_ratio", 1.1),
    ("os, 1,000,000 addresses", "cpu_ratio", 1.1),
    ("os, 249 countries, Redis", "script_calls_per_1000", 20),
    ("os, 64 connections", "system_calls", 2.25),
    ("os, 64 connections, Redis", "system_calls", 2.25),
    ("disk, 64 connections", "system_calls", 2.45),
    ("disk, 64 connections, Redis", "system_calls", 2.45),
)
MEMORY_AT_MOST = (("idle_mb", 40), ("kb_per_idle_connection", 20), ("with_addresses_mb", 150))
WORDS = {
    "rps_ratio": "throughput to the reference",
    "cpu_ratio": "CPU per request to the scenario compared with",
    "script_calls_per_1000": "script calls per 1,000 visits",
    "system_calls": "system calls per request",
    "idle_mb": "memory when idle, MB",
    "kb_per_idle_connection": "memory per idle connection, kB",
    "with_addresses_mb": "memory with 1,000,000 addresses, MB",
}
# Beyond this share of its core the load generator, not the server, may have been the limit.
GENERATOR_BUSY = 0.97


def summarise(scenarios, records):
    """A row a scenario: medians over the rounds."""
    rows = {}
    for scenario in scenarios:
        mine = [record for record in records if record["scenario"] == scenario.name]
        if not mine:
            continue
        keys = ("rps", "cpu_us", "rps_ratio", "cpu_ratio", "generator_busy", "sync_p50_ms")
        row = {key: median(mine, key) for key in (*keys, "script_calls_per_1000", "rss_max_kb")}
        row |= {name: statistics.median(record["latency_us"][name] for record in mine) for name in ("p50", "p99")}
        row["against"] = scenario.against
        rows[scenario.name] = row
    return rows


def median(records, key):
    values = [record[key] for record in records if record.get(key) is not None]
    return statistics.median(values) if values else None


def targets(rows, memory):
    """Each promise with its figure: (what, figure, sign, bound, kept)."""
    found = []
    for table, sign in ((AT_LEAST, "≥"), (AT_MOST, "≤")):
        for name, key, bound in table:
            figure = rows.get(name, {}).get(key)
            if figure is not None:
                kept = figure >= bound if sign == "≥" else figure <= bound
                found.append((f"{name}: {WORDS[key]}", figure, sign, bound, kept))
    for key, bound in MEMORY_AT_MOST if memory else ():
        found.append((WORDS[key], memory[key], "≤", bound, memory[key] <= bound))
    return found


def render(run, rows, promises):
    about = run["about"]
    lines = [
        f"# Side by side, {about['started']}",
        "",
        f"{about['cpu']}, {about['cores']} cores, {about['kernel']}; data on {about['file_system']}, where a lonely "
        f"`fdatasync` takes {about['plain_sync_ms']:.3f} ms. {about['rounds']} rounds of {about['seconds']} s for each of "
        "two compared servers, in turns of half a second; servers on one core, load generator and Redis on the other. "
        "Medians; a ratio of throughputs is the median over the pairs of turns of a round, then over the rounds.",
        "",
        "| scenario | requests/s | ratio | CPU µs/request | ratio | p50 µs | p99 µs | sync p50 ms | compared with |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name, row in rows.items():
        busy = " \\*" if (row["generator_busy"] or 0) > GENERATOR_BUSY else ""
        lines.append(
            f"| {name} | {row['rps']:,.0f}{busy} | {number(row.get('rps_ratio'), 2)} | {row['cpu_us']:.2f} | "
            f"{number(row.get('cpu_ratio'), 2)} | {row['p50']:,.0f} | {row['p99']:,.0f} | "
            f"{number(row['sync_p50_ms'], 2)} | {row['against'] or ''} |"
        )
    lines += ["", "\\* the load generator used over 97 % of its core: the server may be faster than this.", ""]
    lines += small_table("System calls per request", rows, "system_calls", 2)
    lines += small_table("Redis script calls per 1,000 visits", rows, "script_calls_per_1000", 1)
    if run["memory"]:
        lines += ["Memory of the gateway (resident):", ""]
        lines += [f"- {key.replace('_', ' ')}: {value:,.1f}" for key, value in run["memory"].items()] + [""]
    lines += ["| promise | measured | bound | |", "|---|--:|--:|---|"]
    lines += [
        f"| {what} | {figure:.2f} | {sign} {bound:g} | {'kept' if kept else '**missed**'} |"
        for what, figure, sign, bound, kept in promises
    ]
    lines += ["", "After every run the sum of the counters equalled the `2xx` answers that the client had counted.", ""]
    return "\n".join(lines)


def small_table(title, rows, key, digits):
    found = [f"- {name}: {row[key]:.{digits}f}" for name, row in rows.items() if row.get(key) is not None]
    return [f"{title}:", "", *found, ""] if found else []


def number(value, digits):
    return "" if value is None else f"{value:.{digits}f}"
