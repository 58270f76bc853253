"""The tutorial works: its commands are run, as they stand there, one after the other."""

from pathlib import Path

from tests.walkthrough import followed


def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    said = dict(followed("tutorial.md", tmp_path))

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
