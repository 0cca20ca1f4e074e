"""How much memory the gateway takes: idle, with idle connections, with a million client addresses."""

import resource
import socket
import time

from . import figures, servers
from .scenarios import ADDRESSES_MANY, Scenario, generate

IDLE_CONNECTIONS = 5_000
SETTLE_SECONDS = 1.0
# A connection without requests gives its buffers back after a second, and the allocator its pages a second later.
REST_SECONDS = 4.0


def measure(binaries):
    gateway = servers.Gateway(binaries["gateway"], "disk")
    try:
        # One visit, so that everything that is made on first use is there.
        servers.request(gateway.address, "POST", "/api/v1/stats?countryCode=GB")
        time.sleep(SETTLE_SECONDS)
        idle, _ = figures.memory_kb(gateway.pid)
        with_connections = idle_connections(gateway)
        everybody = Scenario("", addresses=ADDRESSES_MANY, pipeline=16)
        result = generate(binaries, gateway.address, everybody, requests=ADDRESSES_MANY)
        with_addresses, highest = figures.memory_kb(gateway.pid)
        counted = sum(gateway.report().values())
    finally:
        gateway.stop()
    # The idle connections each made one visit of their own.
    if counted != result["ok"] + 1 + IDLE_CONNECTIONS:
        raise servers.Failure(f"memory run: the report sums to {counted}")
    return {
        "idle_mb": idle / 1024,
        "idle_connections": IDLE_CONNECTIONS,
        "kb_per_idle_connection": (with_connections - idle) / IDLE_CONNECTIONS,
        "addresses": ADDRESSES_MANY,
        "with_addresses_mb": with_addresses / 1024,
        "highest_mb": highest / 1024,
    }


def idle_connections(gateway):
    """Resident memory with kept-alive connections that have each made a visit and now rest."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, port = gateway.address.split(":")
    visit = f"POST /api/v1/stats?countryCode=GB HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n\r\n".encode()
    streams = []
    try:
        for _ in range(IDLE_CONNECTIONS):
            stream = socket.create_connection((host, int(port)), timeout=10)
            stream.sendall(visit)
            streams.append(stream)
        for stream in streams:
            if not stream.recv(4096).startswith(b"HTTP/1.1 201"):
                raise servers.Failure("a connection was not served while 5,000 were opened")
        time.sleep(REST_SECONDS)
        return figures.memory_kb(gateway.pid)[0]
    finally:
        for stream in streams:
            stream.close()
