"""`safeconduct providers add|change|show|remove`, as docs/own-providers.md has them."""

import re
import shlex
from pathlib import Path

import yaml
from tests.cli.conftest import Run

from safeconduct.adapters.catalog import document_of

PAGE = Path(__file__).parents[2] / "docs" / "own-providers.md"


def example(heading: str) -> list[str]:
    """The command under a heading of the page, as the shell takes it apart."""
    block = PAGE.read_text().partition(f"## {heading}\n")[2].partition("```console\n")[2]
    text = block.partition("```")[0].replace("\\\n", " ")
    (line,) = re.findall(r"^\$ safeconduct (.*)$", text, re.MULTILINE)
    return shlex.split(line)


def test_the_pages_example_from_its_addition_to_its_removal(run: Run) -> None:
    made = run(*example("OAuth 2 by its addresses"), "--json").json
    assert (made["id"], made["name"], made["kind"]) == ("acme", "Acme", "oauth2")
    shown = run("providers", "show", "acme", "--json")
    assert shown.json["entry"]["identity"]["path"] == "/api/me"
    assert "s3cret" not in shown.out
    listed = run("providers", "list", "--json").json["providers"]
    (mine,) = [one for one in listed if one["id"] == "acme"]
    assert (mine["status"], mine["client_id"]) == ("active", "ours")
    changed = run("providers", "change", "acme", "--scope", "files:read mail", "--json").json
    assert (changed["version"], changed["scopes"]) == (2, ["files:read", "mail"])
    assert run("providers", "remove", "acme", "--json").json["removed"] is True
    assert run("providers", "show", "acme").status == 1


def test_a_whole_entry_from_a_file(run: Run, tmp_path: Path) -> None:
    file, client = tmp_path / "acme.yaml", ("--client-id", "ours", "--client-secret", "s3cret")
    document = {**document_of("exchangeExample"), "id": "acme"}
    file.write_text(yaml.safe_dump(document))
    assert run("providers", "add", "--file", str(file), *client, "--json").json["kind"] == "entry"
    file.write_text(yaml.safe_dump({**document, "id": "other", "colour": "red"}))
    refused = run("providers", "add", "--file", str(file), *client)
    assert (refused.status, "colour" in refused.err) == (1, True)
    file.write_text("a: &a [1]\nb: *a\n")
    assert "aliases" in run("providers", "add", "--file", str(file), *client).err


def test_nothing_inside_is_asked_unless_the_operator_allows_it(run: Run) -> None:
    refused = run("providers", "add", "--mcp", "http://127.0.0.1:9/mcp")
    assert (refused.status, "did not answer" in refused.err) == (1, True)
