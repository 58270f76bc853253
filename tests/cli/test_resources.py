"""`safeconduct resources`: APIs that tokens are for."""

from tests.cli.conftest import Run

API = "https://api.example/v1"


def test_an_api_from_its_registration_to_its_end(run: Run) -> None:
    made = run("resources", "create", API, "--name", "Ledger", "--scope", "notes:read=Read notes",
               "--lifetime", "300", "--require-dpop", "--json").json  # fmt: skip
    assert made["scopes"] == {"notes:read": "Read notes"}
    assert made["dpop_bound_access_tokens_required"] is True
    assert run("resources", "show", API, "--json").json == made
    assert run("resources", "list", "--json").json["resources"] == [made]
    told = run("resources", "metadata", API, "--issuer", "https://id.example").json
    assert told["url"] == "https://api.example/.well-known/oauth-protected-resource/v1"
    assert told["document"]["authorization_servers"] == ["https://id.example"]
    assert run("resources", "create", API).status == 1
    assert run("resources", "delete", API, "--json").json["deleted"] is True
    assert run("resources", "show", API).status == 1


def test_a_scope_is_written_with_its_words(run: Run) -> None:
    refused = run("resources", "create", API, "--scope", "=words")
    assert (refused.status, "scope=words" in refused.err) == (1, True)
