"""The tutorial works: its commands are run, as they stand there, one after the other."""

import os
import re
import subprocess
import sys
from pathlib import Path

from safeconduct.cli.staging import free_ports

TUTORIAL = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
END = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
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
    said = dict(zip(commands(), answers, strict=True))

    def answer(*words: str) -> str:
        (found,) = (text for command, text in said.items() if all(w in command for w in words))
        return found

    assert "/setup?token=" in answer("cat server.log")
    assert '"token_endpoint"' in answer("openid-configuration")
    assert '"active":true' in answer("introspect").replace(" ", "")
    assert "ada@example.com" in answer("ada.json access_token", "userinfo")
    assert answer("http_code").strip() == "401"
    assert '"added":false' in answer("/accounts/v2/providers").replace(" ", "")
    assert "client.created" in answer("explain")
