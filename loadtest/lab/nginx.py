"""A real nginx with the shipped configuration, moved to free ports."""

import os
import shutil
import signal
import subprocess

from . import servers

SHIPPED_LISTEN = "listen 80;"
SHIPPED_GATEWAY = "server 127.0.0.1:3030;"


class Nginx:
    def __init__(self, upstream, core=servers.SERVER_CORE):
        self.dir = servers.directory()
        self.port = servers.free_port()
        self.address = f"127.0.0.1:{self.port}"
        for path in (servers.ROOT / "nginx").glob("*.conf"):
            (self.dir / path.name).write_text(path.read_text())
        self.replace("footfall.conf", SHIPPED_LISTEN, f"listen {self.address};")
        self.replace("gateways.conf", SHIPPED_GATEWAY, f"server {upstream};")
        # Debian keeps nginx in /usr/sbin, which a user's PATH may lack.
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if not program:
            raise servers.Failure("nginx is missing: tests/setup.sh installs it")
        # One worker on one core, as the servers have it.
        also = f"daemon off; pid {self.dir}/nginx.pid;"
        self.replace("nginx.conf", "worker_processes auto;", "worker_processes 1;")
        self.log = open(self.dir / "stderr", "wb")
        command = [program, "-p", f"{self.dir}/", "-c", self.dir / "nginx.conf", "-g", also]
        self.process = subprocess.Popen(servers.pinned(core, command), stderr=self.log)
        servers.await_port(self.port)

    def replace(self, name, shipped, ours):
        path = self.dir / name
        text = path.read_text()
        if shipped not in text:
            raise servers.Failure(f"nginx/{name} no longer says {shipped!r}")
        path.write_text(text.replace(shipped, ours))

    def complaints(self):
        """What nginx logged: an upstream that closed or timed out would show here."""
        return (self.dir / "stderr").read_text()

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(servers.STOP_SECONDS)
        self.log.close()
        shutil.rmtree(self.dir)
