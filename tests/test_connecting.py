"""The page about connecting accounts works, from the first link to the provider's books."""

import json
from pathlib import Path

from tests.walkthrough import followed


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    said = dict(followed("connecting.md", tmp_path))

    def answer(*words: str) -> str:
        (found,) = (text for command, text in said.items() if all(w in command for w in words))
        return found

    assert "code=" in answer("cat back")
    assert "state=" in answer("cat back")
    linked = json.loads((tmp_path / "linked.json").read_text())
    assert linked["status"] == "completed"
    assert json.loads(answer("begun.json id"))["connection_id"] == linked["connection_id"]
    (listed,) = json.loads(said["ask http://127.0.0.1:8400/api/v1/connections"])["data"]
    assert (listed["status"], listed["display_label"]) == ("active", "Savings")
    assert json.loads(answer("assets?limit=2"))["data"][0]["quantity"]
    assert json.loads(answer("transactions?limit=1"))["data"][0]["legs"]
    assert json.loads(answer("/proxy/v2/user"))["data"]
    assert json.loads(said['ask "http://127.0.0.1:8400/api/v1/assets"'])["data"] == []
    assert "revoked" in (tmp_path / "books.json").read_text()
