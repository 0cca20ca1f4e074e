"""Starting and stopping what is measured: the gateway, the reference server, Redis."""

import http.client
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WORK = TARGET / "loadtest"
EXAMPLES = ("reference", "generator", "journal_maker")

SERVER_CORE = 0
CLIENT_CORE = 1
START_SECONDS = 15
STOP_SECONDS = 40


class Failure(Exception):
    """Something that makes a figure worthless; the run stops with its text."""


def build(chosen=EXAMPLES):
    """Builds what is measured, and copies it away: a build beside the run must not swap a binary in the middle."""
    examples = [word for name in chosen for word in ("--example", name)]
    subprocess.run(["cargo", "build", "--release", "--bin", "footfall", *examples], cwd=ROOT, check=True)


def binaries(gateway=None, chosen=EXAMPLES):
    release = TARGET / "release"
    paths = {
        "gateway": pathlib.Path(gateway) if gateway else release / "footfall",
        **{name: release / "examples" / name for name in chosen},
    }
    home = WORK / "bin"
    home.mkdir(parents=True, exist_ok=True)
    for name, path in paths.items():
        if not path.exists():
            raise Failure(f"{path} is missing: run without --no-build")
        shutil.copy2(path, home / name)
    return {name: home / name for name in paths}


def directory():
    """A fresh directory on the disk that holds the build."""
    WORK.mkdir(parents=True, exist_ok=True)
    return pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=WORK))


def pinned(core, command):
    return ["taskset", "-c", str(core), *map(str, command)]


class Server:
    """A child process that says `listening on http://…` and `ready`."""

    def __init__(self, command, env=None, cwd=None, core=SERVER_CORE):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            pinned(core, command),
            env={"PATH": os.environ["PATH"], **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        self.pid = self.process.pid
        self.address = None
        self.admin = None
        self._await_ready()

    def _await_ready(self):
        deadline = time.monotonic() + START_SECONDS
        text = b""
        while b"ready" not in text:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 4096) if readable else b""
            if not more:
                self.kill()
                raise Failure(f"{self.process.args} did not become ready:\n{text.decode()}\n{self.errors()}")
            text += more
        for line in text.decode().splitlines():
            if line.startswith("listening on http://") and self.address is None:
                self.address = line.split("http://")[1].strip()
            if line.startswith("admin on http://"):
                self.admin = line.split("http://")[1].strip()

    def errors(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        if self.alive():
            self.process.kill()
        self.process.wait()

    def stop(self):
        """Asks politely; returns the exit status."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.process.args} did not end within {STOP_SECONDS} s of SIGTERM:\n{self.errors()}")


class Gateway(Server):
    """The gateway with a data directory of its own, limit on with a huge maximum."""

    def __init__(self, binary, durability="os", redis_url=None, settings=None, core=SERVER_CORE):
        self.data = directory()
        env = {
            "PORT": "0",
            "HOST": "127.0.0.1",
            "FOOTFALL_ADMIN_PORT": "0",
            "FOOTFALL_DATA_DIR": str(self.data / "data"),
            "FOOTFALL_DURABILITY": durability,
            "FOOTFALL_EDGE_WORKERS": "1",
            "LOG_LEVEL": "warn",
            "RATE_LIMIT_MAX": "1000000000",
        }
        if redis_url:
            env["REDIS_URL"] = redis_url
        env.update(settings or {})
        super().__init__([binary, "serve"], env, cwd=self.data, core=core)

    def report(self):
        """The counters, as a client reads them."""
        status, _, body = request(self.address, "GET", "/api/v1/stats")
        if status != 200:
            raise Failure(f"GET /api/v1/stats answered {status}")
        import json

        return json.loads(body)

    def end(self):
        """Lets it end, and keeps its data until `stop`."""
        status = super().stop()
        if status != 0:
            raise Failure(f"the gateway ended with {status}:\n{self.errors()}")

    def stop(self):
        self.end()
        shutil.rmtree(self.data)


class Reference(Server):
    """The reference server (or the empty one), dressed as the gateway's answers were seen to be."""

    def __init__(self, binary, mode="reference", shape=None, timers="hyper", core=SERVER_CORE):
        super().__init__([binary, "--mode", mode, "--timers", timers, *(shape or [])], core=core)

    def stop(self):
        # It has nothing to save, and no handler: the signal ends it.
        super().stop()


class Redis:
    """A Redis of our own with the shipped configuration, on the load generator's core."""

    def __init__(self, core=CLIENT_CORE):
        self.dir = directory()
        self.port = free_port()
        self.process = subprocess.Popen(
            pinned(core, [
                "redis-server", ROOT / "compose" / "redis.conf", "--port", self.port, "--bind", "127.0.0.1",
                "--dir", self.dir, "--daemonize", "no",
            ]),
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.url = f"redis://127.0.0.1:{self.port}"
        await_port(self.port)

    def ask(self, *words):
        """One command; the reply as text, number or list of texts."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as stream:
            stream.sendall(b"*%d\r\n" % len(words))
            for word in map(str.encode, words):
                stream.sendall(b"$%d\r\n%s\r\n" % (len(word), word))
            return read_reply(stream.makefile("rb"))

    def script_calls(self):
        """Script calls since the last reset of the statistics."""
        lines = self.ask("INFO", "commandstats").splitlines()
        named = ("cmdstat_evalsha:", "cmdstat_eval:", "cmdstat_fcall:")
        return sum(int(line.split("calls=")[1].split(",")[0]) for line in lines if line.startswith(named))

    def visits(self):
        """The sum of the visits that Redis holds."""
        return sum(map(int, self.ask("HVALS", "ff:{0}:visits")))

    def reset(self):
        self.ask("FLUSHALL")
        self.ask("CONFIG", "RESETSTAT")

    def stop(self):
        self.process.terminate()
        self.process.wait(STOP_SECONDS)
        shutil.rmtree(self.dir)


def read_reply(stream):
    line = stream.readline().decode().rstrip("\r\n")
    kind, rest = line[:1], line[1:]
    if kind == "-":
        raise Failure(f"Redis: {rest}")
    if kind == ":":
        return int(rest)
    if kind == "$":
        return stream.read(int(rest) + 2)[:-2].decode() if int(rest) >= 0 else None
    if kind == "*":
        return [read_reply(stream) for _ in range(int(rest))]
    return rest


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, seconds=START_SECONDS):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failure(f"nothing listens on port {port}")


def request(address, method, path, headers=None):
    """One request; status, headers in their order, body."""
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.getheaders(), body
