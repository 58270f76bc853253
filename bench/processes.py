"""The servers that are measured: started on one core, watched through /proc, and stopped."""

import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, process_time, sleep
from typing import Any

from tests.postgres import Cluster

SERVER_CORE = 0
LOAD_CORE = 1
PEER = Path(__file__).parent / "peer"
DJANGO = Path(__file__).parent / "django_peer"


class NotStarted(Exception):
    """A server that should be measured did not come up."""


@dataclass(slots=True)
class Process:
    """A running server and all of its children."""

    pid: int
    popen: subprocess.Popen[bytes] | None = None  # if it is ours to stop
    ready_seconds: float = 0.0

    def pids(self) -> list[int]:
        return [self.pid, *descendants(self.pid)]

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.pids())

    def resident_mib(self) -> float:
        return round(sum(resident_mib(pid) for pid in self.pids()), 1)

    def stop(self) -> None:
        assert self.popen is not None
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="ascii")
            for child in map(int, children.split()):
                found += [child, *descendants(child)]
    return found


def cpu_seconds(pid: int) -> float:
    """Time on a processor, to the nanosecond: the sum over all threads (proc(5), schedstat)."""
    total = 0
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            total += int(
                Path(f"/proc/{pid}/task/{thread}/schedstat").read_text(encoding="ascii").split()[0]
            )
    return total / 1e9


def busy_seconds() -> float:
    """Time that all processors together have worked, for whomever (proc(5), stat)."""
    with Path("/proc/stat").open(encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


class Others:
    """What the rest of the machine does while this process measures by itself."""

    def __init__(self) -> None:
        self.began, self.busy, self.own = monotonic(), busy_seconds(), process_time()

    def sentence(self) -> str:
        """For a published table: how quiet it was."""
        theirs = (busy_seconds() - self.busy) - (process_time() - self.own)
        cores = max(0.0, theirs / (monotonic() - self.began))
        return f"Other programs, PostgreSQL among them, used {cores:.1f} cores meanwhile.\n"


def resident_mib(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def pin(core: int) -> None:
    """Run this process on one core; a machine that has only one gives what it has."""
    with suppress(OSError):
        os.sched_setaffinity(0, {core})


def spawn(
    command: Sequence[str], *, env: Mapping[str, str], log: Path, core: int | None = SERVER_CORE
) -> subprocess.Popen[bytes]:
    with log.open("ab") as stderr:
        return subprocess.Popen(
            command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            preexec_fn=(lambda: pin(core)) if core is not None else None,
        )


def until_ready(
    process: subprocess.Popen[bytes],
    port: int,
    path: str,
    began: float,
    log: Path,
    status: int | None = 200,
) -> float:
    """Seconds from the start of the process to its first answer with this status, or to any."""
    while monotonic() - began < 20:
        if process.poll() is not None:
            said = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
            raise NotStarted(f"the server ended with status {process.returncode}: {said}")
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == status or status is None:
                return monotonic() - began
        except (OSError, HTTPException):
            sleep(0.005)
        finally:
            connection.close()
    raise NotStarted("the server was not ready within 20 seconds")


def start_peer(settings: dict[str, Any], log: Path) -> tuple[Process, list[str], list[str]]:
    """oidc-provider, and of each user a refresh token and a browser's Cookie."""
    env = {"PEER": json.dumps(settings), "NODE_ENV": "production"}
    began = monotonic()
    popen = spawn(["node", str(PEER / "server.mjs")], env=env, log=log)
    assert popen.stdout is not None
    if not select.select([popen.stdout], [], [], 20)[0]:
        popen.kill()
        raise NotStarted("oidc-provider was not ready within 20 seconds")
    line = popen.stdout.readline()
    seconds = monotonic() - began
    if not line:
        raise NotStarted(f"oidc-provider ended with status {popen.wait(5)}; see {log}")
    told = json.loads(line)
    return Process(popen.pid, popen, seconds), told["refresh_tokens"], told["browsers"]


def start_django(settings: dict[str, Any], port: int, log: Path) -> tuple[Process, list[str]]:
    """django-oauth-toolkit behind gunicorn, and the first refresh token of each family."""
    python = DJANGO / ".venv/bin/python"
    if not python.exists():
        raise NotStarted("its packages are not here: make bench installs them")
    env = {"PEER": json.dumps(settings), "PYTHONPATH": str(DJANGO)}
    filled = subprocess.run(
        [python, DJANGO / "peer.py"], env={**os.environ, **env}, capture_output=True, check=False
    )
    if filled.returncode:
        raise NotStarted(filled.stderr.decode()[-2_000:])
    began = monotonic()
    serve = [
        "--workers",
        "1",
        "--worker-class",
        "gthread",
        "--threads",
        "8",
        "--keep-alive",
        "75",
        "--no-control-socket",
    ]
    command = [str(python), "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *serve]
    popen = spawn([*command, "peer:application"], env=env, log=log)
    path = "/o/.well-known/oauth-authorization-server"
    seconds = until_ready(popen, port, path, began, log, status=None)
    return Process(popen.pid, popen, seconds), json.loads(filled.stdout)["refresh_tokens"]


@contextmanager
def postgres(core: int | None) -> Iterator[tuple[str, Process]]:
    """A cluster of its own, durable (`fsync`, `synchronous_commit`), run by the user postgres."""
    cluster = Cluster(shared_buffers="128MB")
    cluster.start()
    try:
        process = Process(cluster.pid)
        if core is not None:
            for pid in process.pids():
                os.sched_setaffinity(pid, {core})
        yield cluster.dsn(), process
    finally:
        cluster.stop()
        cluster.remove()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on a real disk (never a memory file system, which would make fsync free)."""
    with tempfile.TemporaryDirectory(prefix="safeconduct-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
