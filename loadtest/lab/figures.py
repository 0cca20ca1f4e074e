"""What is read off a running process: CPU time, system calls, memory, its own metrics."""

import datetime
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import tempfile
import time


def cpu_seconds(pid):
    """Time that the threads a process has now have spent on a core; to the nanosecond, where `stat` counts ticks."""
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def memory_kb(pid):
    """Resident memory now and at its highest, in kB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", text, re.M))
    return int(found["VmRSS"]), int(found["VmHWM"])


class SystemCalls:
    """Counts the system calls of a process with a tracepoint. strace would stop the process at every call and so change
    what it measures (more requests gather meanwhile); counting at the tracepoint costs some 20 ns a call."""

    @staticmethod
    def available():
        if not shutil.which("perf"):
            return False
        command = ["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"]
        return subprocess.run(command, capture_output=True).returncode == 0

    def __init__(self, pid):
        self.out = tempfile.NamedTemporaryFile("r")
        self.perf = subprocess.Popen(
            ["perf", "stat", "-x", ",", "-o", self.out.name, "-e", "raw_syscalls:sys_enter", "-p", str(pid)]
        )
        # perf says nothing when it has attached; it needs some 50 ms.
        time.sleep(0.3)

    def count(self):
        self.perf.send_signal(signal.SIGINT)
        self.perf.wait()
        for line in self.out.read().splitlines():
            if "raw_syscalls:sys_enter" in line:
                return int(line.split(",")[0])
        raise RuntimeError("perf counted nothing")


def histogram_quantile_ms(text, name, share):
    """A quantile of a Prometheus histogram, interpolated within its bucket, in milliseconds; None when it is empty."""
    found = re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\d+)', text, re.M)
    buckets = [(float(bound.replace("+Inf", "inf")), int(count)) for bound, count in found]
    if not buckets or buckets[-1][1] == 0:
        return None
    wanted = buckets[-1][1] * share
    below, lower = 0, 0.0
    for bound, count in buckets:
        if count >= wanted:
            if bound == float("inf"):
                return lower * 1e3
            return (lower + (bound - lower) * (wanted - below) / (count - below)) * 1e3
        below, lower = count, bound
    return None


def plain_sync_ms(where):
    """The median time of `fdatasync` after a small append, as this disk does it for one lonely writer."""
    path = pathlib.Path(where) / "sync-probe"
    times = []
    with open(path, "ab", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 512)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    path.unlink()
    return sorted(times)[len(times) // 2] * 1e3


def file_system(where):
    """The type of the file system that holds a path."""
    best = ("", "unknown")
    path = str(pathlib.Path(where).resolve())
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        mount = left.split()[4]
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, right.split()[0])
    return best[1]


def machine():
    """The machine as far as figures depend on it; no names of hosts or people."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.M)
    kernel = re.match(r"[\d.]+", platform.release())
    return {
        "cpu": re.sub(r"\s+", " ", model.group(1)) if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": f"Linux {kernel.group(0) if kernel else platform.release()}",
    }


def run_name(about):
    """A file name of date and machine."""
    words = f"{about['cpu']} {about['cores']} cores {about['kernel']}".lower().replace("(r)", "").replace("(tm)", "")
    return f"{datetime.datetime.now():%Y-%m-%d-%H%M}-{re.sub(r'[^a-z0-9.]+', '-', words).strip('-')}"
