"""The page of this surface works: its commands are run, as they stand there, in order."""

import json
from pathlib import Path

from tests.walkthrough import followed


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    said = followed("surfaces/calcom.md", tmp_path)
    calls = [
        answer for command, answer in said if command.startswith("curl") and answer.startswith("{")
    ]
    assert len(calls) == 7
    assert all(json.loads(answer)["status"] == "success" for answer in calls)
    (code,) = (answer for command, answer in said if "http_code" in command)
    assert code.strip() == "401"
    user = json.loads((tmp_path / "user.json").read_text())["data"]["user"]
    assert user["username"] == "managed-user"
