"""A page of the documentation, run: its commands in order, as they stand there."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from safeconduct.cli.staging import free_ports

DOCS = Path(__file__).resolve().parent.parent / "docs"
END = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"


def followed(page: str, folder: Path, **environ: str) -> Sequence[tuple[str, str]]:
    """Each command of `docs/{page}` with what it printed, run in `folder`.

    The page's ports are moved to free ones. A command that fails fails the test. `environ` is what
    the page says that its reader has.
    """
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    commands = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    ports = free_ports()
    moved = {"8400": str(ports.safeconduct), "8401": str(ports.provider)}
    script = "set -euo pipefail; set -m\n" + END
    for command in commands:
        line = re.sub("840[01]", lambda found: moved[found.group()], command)
        script += f"echo '@@'\n{line}\n"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("SAFECONDUCT_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SAFECONDUCT_PORT": str(ports.safeconduct),
            "DOCS": str(DOCS),
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = done.stdout.split("@@\n")[1:]
    return list(zip(commands, answers, strict=True))
