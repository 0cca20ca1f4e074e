#!/usr/bin/env python3
"""A real access log: a real nginx is asked for what a made-up shop's visitors look at (`footfall generate`), and its log is
imported. Then once more, with `kill -9` of the importer and of the gateway again and again, until every line is in.

Ends with an error when another number of page views is counted or stored than the log has; with --strict also when a
promise is missed.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

import events
from lab import figures, servers
from lab.servers import Failure

DISTINCT = 50_000  # different requests, sent in turn
SENDERS = 4
PIPELINED = 256
AT_LEAST = 50_000
ASSETS = ("/style.css", "/app.js?v=3", "/logo.svg", "/fonts/a.woff2")
# The same rules as the importer's, written anew.
VIEW = re.compile(rb'"GET (\S+) HTTP/1\.1" (2\d\d|304) ')
PARTS = re.compile(rb"\.(css|js|svg|woff2)$")
CONFIGURATION = """
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log {dir}/access.log combined buffer=64k;
    keepalive_requests 100000000;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "page"; }}
        location /gone {{ return 404; }}
        location /old {{ return 301 /; }}
    }}
}}
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the log (1,000,000)")
    parser.add_argument("--kills", type=int, default=12, help="kills of the second import (12)")
    parser.add_argument("--durability", default="disk", help="of the gateway (disk)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", help="an access log that was made before, in place of a new one")
    parser.add_argument("--strict", action="store_true", help="end with an error when a promise is missed")
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    parser.add_argument("--gateway", help="the gateway's binary, if not the one of this build")
    return parser.parse_args()


def main():
    flags = arguments()
    if not flags.no_build:
        servers.build(())
    binaries = servers.binaries(flags.gateway, ())
    about = figures.machine()
    print(f"{about['cpu']}, {about['cores']} cores, {about['kernel']}; {flags.durability}")
    folder = servers.directory()
    try:
        log = pathlib.Path(flags.log) if flags.log else make(binaries, folder, flags.lines)
        lines, views = look(log)
        print(f"the log: {lines:,} lines, {log.stat().st_size / 1e6:.0f} MB, {views:,} page views", flush=True)
        rate = at_once(binaries, flags, log, views)
        with_kills(binaries, flags, log, (lines, views))
    finally:
        shutil.rmtree(folder)
    kept = rate >= AT_LEAST
    print(f"- lines/s until the last is taken: {rate:,.0f} (≥ {AT_LEAST:,}{'' if kept else ', MISSED'})")
    if flags.strict and not kept:
        sys.exit("a promise was missed")


def requests(binaries):
    """What visitors of the shop ask for: pages, what these are made of, and now and then what is not there."""
    random.seed(1)
    made = events.made_up(binaries, DISTINCT, "--days", "1")
    for event in map(json.loads, made):
        url = urllib.parse.urlsplit(event["url"])
        target = url.path + (f"?{url.query}" if url.query else "")
        head = f"Host: shop.example\r\nUser-Agent: {event['user_agent']}\r\nX-Forwarded-For: {event['ip']}\r\n"
        referrer = f"Referer: {event['referrer']}\r\n" if event.get("referrer") else ""
        yield f"GET {target} HTTP/1.1\r\n{head}{referrer}\r\n".encode()
        chance = random.random()
        if chance < 0.3:
            yield f"GET {random.choice(ASSETS)} HTTP/1.1\r\n{head}Referer: {event['url']}\r\n\r\n".encode()
        elif chance < 0.35:
            yield f"GET {random.choice(('/gone', '/old'))} HTTP/1.1\r\n{head}\r\n".encode()
        elif chance < 0.37:
            yield f"HEAD {target} HTTP/1.1\r\n{head}\r\n".encode()


def make(binaries, folder, lines):
    """Has nginx write its log."""
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        raise Failure("nginx is missing: tests/setup.sh installs it")
    port, known = servers.free_port(), list(requests(binaries))
    (folder / "nginx.conf").write_text(CONFIGURATION.format(dir=folder, port=port))
    nginx = subprocess.Popen([program, "-p", f"{folder}/", "-c", folder / "nginx.conf", "-g", "daemon off;"])
    try:
        servers.await_port(port)
        share = [lines // SENDERS + (place < lines % SENDERS) for place in range(SENDERS)]
        senders = [threading.Thread(target=send, args=(port, known, place, share[place])) for place in range(SENDERS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    finally:
        nginx.send_signal(signal.SIGQUIT)
        nginx.wait(servers.STOP_SECONDS)
    return folder / "access.log"


def send(port, known, place, count):
    """Asks for so many things, some at once, and reads the answers to their end."""
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=30) as stream:
        def drain():
            while stream.recv(1 << 16):
                pass

        reader = threading.Thread(target=drain)
        reader.start()
        at = place * len(known) // SENDERS
        while count:
            taken = min(count, PIPELINED, len(known) - at)
            stream.sendall(b"".join(known[at:at + taken]))
            at, count = (at + taken) % len(known), count - taken
        stream.shutdown(socket.SHUT_WR)
        reader.join()


def look(log):
    """Lines of the log, and page views among them."""
    lines = views = 0
    with open(log, "rb") as text:
        for line in text:
            lines += 1
            found = VIEW.search(line)
            views += bool(found) and not PARTS.search(found.group(1).split(b"?")[0])
    return lines, views


class Gateway(events.Gateway):
    """A gateway that is started again at the same address, on all cores as its importer."""

    def __init__(self, binaries, durability):
        self.port = servers.free_port()
        super().__init__(binaries["gateway"], durability, {"PORT": str(self.port)}, core="0,1")
        self.key = self.new_key("manage")
        self.durability = durability

    def again(self):
        """`kill -9`, and a start on the same data."""
        self.kill()
        settings = {"FOOTFALL_DATA_DIR": str(self.data / "data"), "FOOTFALL_LIMIT_KEYLESS_MAX": "0",
                    "PORT": str(self.port)}
        data = self.data
        servers.Gateway.__init__(self, self.binary, self.durability, settings=settings, core="0,1")
        shutil.rmtree(self.data)
        self.data = data

    def importer(self, log):
        command = [self.binary, "import", log, "--to", f"http://127.0.0.1:{self.port}", "--host", "shop.example",
                   "--json", "--rejects", self.data / "rejects"]
        env = {"PATH": os.environ["PATH"], "FOOTFALL_IMPORT_KEY": self.key}
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for(self, stored):
        deadline = time.monotonic() + 120
        while self.metric("footfall_store_events") < stored:
            if time.monotonic() > deadline:
                raise Failure(f"{self.metric('footfall_store_events')} events are stored, not {stored}")
            time.sleep(0.02)

    def hold(self, views):
        """Ends it, and holds journal, counters and store against each other and the log."""
        stored = self.metric("footfall_store_events")
        if stored != views:
            raise Failure(f"{stored} events are stored, the log has {views} page views")
        self.end()
        ran = subprocess.run([self.binary, "verify"], env=self.env, cwd=self.data, capture_output=True)
        said = ran.stdout.decode()
        if ran.returncode != 0 or f"store: {views} events" not in said or "store: 0 differences" not in said:
            raise Failure(f"verify says:\n{said}{ran.stderr.decode()}")
        shutil.rmtree(self.data)


def finished(importer):
    said, errors = importer.communicate()
    if importer.returncode != 0:
        raise Failure(f"the importer failed:\n{errors.decode()}")
    return json.loads(said)


def at_once(binaries, flags, log, views):
    gateway = Gateway(binaries, flags.durability)
    began = time.monotonic()
    told = finished(gateway.importer(log))
    taken = time.monotonic() - began
    gateway.wait_for(views)
    stored = time.monotonic() - began
    if (told["events"], told["rejected"]) != (views, 0):
        raise Failure(f"the importer says {told}, the log has {views} page views")
    gateway.hold(views)
    rate = told["lines"] / taken
    print(f"at once: {told['lines']:,} lines taken in {taken:.1f} s ({rate:,.0f}/s), all stored after {stored:.1f} s "
          f"({told['lines'] / stored:,.0f}/s)", flush=True)
    return rate


def with_kills(binaries, flags, log, known):
    lines, views = known
    gateway, chance = Gateway(binaries, flags.durability), random.Random(flags.seed)
    killed = {"importer": 0, "gateway": 0}
    importer = gateway.importer(log)
    began, usual = time.monotonic(), lines / AT_LEAST / max(flags.kills, 1)
    while sum(killed.values()) < flags.kills and importer.poll() is None:
        time.sleep(chance.uniform(0, usual))
        if chance.random() < 0.5:
            importer.kill()
            importer.communicate()
            importer = gateway.importer(log)
            killed["importer"] += 1
        else:
            gateway.again()
            killed["gateway"] += 1
    finished(importer)
    again = finished(gateway.importer(log))
    if (again["before"], again["lines"]) != (lines, 0):
        raise Failure(f"after all the importer says {again}, the log has {lines} lines")
    gateway.wait_for(views)
    gateway.hold(views)
    print(f"with kills (seed {flags.seed}): the importer {killed['importer']} times, the gateway {killed['gateway']} "
          f"times, {time.monotonic() - began:.1f} s: each of {lines:,} lines once", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"import: {failure}")
