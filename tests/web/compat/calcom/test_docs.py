"""The page of this surface works: its commands are run, as they stand there, in order."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from safeconduct.cli.staging import free_ports

PAGE = Path(__file__).parents[4] / "docs" / "surfaces" / "calcom.md"
END = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    ports = free_ports()
    moved = {"8400": str(ports.safeconduct), "8401": str(ports.provider)}
    script = "set -euo pipefail; set -m\n" + END
    for command in commands():
        line = re.sub("840[01]", lambda found: moved[found.group()], command)
        script += f"echo '@@'\n{line}\n"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("SAFECONDUCT_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SAFECONDUCT_PORT": str(ports.safeconduct),
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = done.stdout.split("@@\n")[1:]
    assert len(answers) == len(commands())
    calls = [
        answer
        for command, answer in zip(commands(), answers, strict=True)
        if command.startswith("curl") and answer.startswith("{")
    ]
    assert len(calls) == 7
    assert all(json.loads(answer)["status"] == "success" for answer in calls)
    assert "401" in done.stdout
    user = json.loads((tmp_path / "user.json").read_text())["data"]["user"]
    assert user["username"] == "managed-user"
