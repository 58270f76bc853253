"""A PostgreSQL server of our own, for tests and benchmarks; durable as in production."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

USER = "postgres"  # the server refuses to run as root
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
}


class Cluster:
    """`initdb`, start, and at the end stop and remove."""

    def __init__(self, **settings: str) -> None:
        self._settings = {**SETTINGS, **settings}
        self._bin = _binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="safeconduct-pg-"))
        self.port = _free_port()
        if os.getuid() == 0:
            os.chown(self._folder, pwd.getpwnam(USER).pw_uid, -1)
        self._run("initdb", "-U", "safeconduct", "-A", "trust", "-E", "UTF8", "--no-sync", "-D")

    def start(self) -> None:
        options = [f"-c {name}={value}" for name, value in self._settings.items()]
        options += [f"-p {self.port}", f"-k {self._folder}"]
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-w", "-s", "-l", log, "-o", " ".join(options), "-D")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D")

    def remove(self) -> None:
        shutil.rmtree(self._folder)

    @property
    def pid(self) -> int:
        """The process that all of the server's processes descend from."""
        lines = (self._folder / "data" / "postmaster.pid").read_text().splitlines()
        return int(lines[0])

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://safeconduct@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments, str(self._folder / "data")]
        if os.getuid() == 0:
            command = ["runuser", "-u", USER, "--", *command]
        # Output goes to a file: the server would inherit a pipe and keep it open.
        with (self._folder / "out").open("w+b") as out:
            done = subprocess.run(command, cwd="/", stdout=out, stderr=out, check=False)
            if done.returncode:
                out.seek(0)
                raise RuntimeError(f"{program}: {out.read().decode()}")


def _binaries() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3])
    )
    if not versions:
        raise RuntimeError("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return versions[-1].parent


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
