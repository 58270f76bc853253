"""A PostgreSQL server of our own, for tests and benchmarks; durable as in production."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from safeconduct.cli.staging import free_row

USER = "postgres"  # the server refuses to run as root
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
}


WATCH = """
while kill -0 "$1" 2>/dev/null; do sleep 1; done
shift; folder="$1"; shift
"$@"; rm -rf "$folder"
"""
"""Clears up when the process that wanted the server was itself killed."""


class Cluster:
    """`initdb`, start, and at the end stop and remove; also if we are killed before that."""

    def __init__(self, **settings: str) -> None:
        self._settings = {**SETTINGS, **settings}
        self._bin = _binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="safeconduct-pg-"))
        (self.port,) = free_row(1)
        if os.getuid() == 0:
            os.chown(self._folder, pwd.getpwnam(USER).pw_uid, -1)
        self._run("initdb", "-U", "safeconduct", "-A", "trust", "-E", "UTF8", "--no-sync", "-D")
        stop = self._command("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D")
        self._watcher = subprocess.Popen(
            ["sh", "-c", WATCH, "sh", str(os.getpid()), str(self._folder), *stop],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def start(self) -> None:
        options = [f"-c {name}={value}" for name, value in self._settings.items()]
        options += [f"-p {self.port}", f"-k {self._folder}"]
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-w", "-s", "-l", log, "-o", " ".join(options), "-D")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D")

    def remove(self) -> None:
        self._watcher.kill()
        self._watcher.wait()
        shutil.rmtree(self._folder)

    @property
    def pid(self) -> int:
        """The process that all of the server's processes descend from."""
        lines = (self._folder / "data" / "postmaster.pid").read_text().splitlines()
        return int(lines[0])

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://safeconduct@127.0.0.1:{self.port}/{database}"

    def _command(self, program: str, *arguments: str) -> list[str]:
        command = [str(self._bin / program), *arguments, str(self._folder / "data")]
        return ["runuser", "-u", USER, "--", *command] if os.getuid() == 0 else command

    def _run(self, program: str, *arguments: str) -> None:
        # Output goes to a file: the server would inherit a pipe and keep it open.
        with (self._folder / "out").open("w+b") as out:
            command = self._command(program, *arguments)
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
