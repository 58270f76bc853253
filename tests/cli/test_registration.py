"""`safeconduct registration`: letting others register apps."""

import json
from pathlib import Path

from joserfc.jwk import ECKey
from tests.cli.conftest import Run


def test_initial_access_tokens_are_made_listed_and_ended(run: Run) -> None:
    made = run("registration", "token", "--note", "Portal", "--uses", "3", "--json").json
    assert made["token"].startswith("sc_iat_t1.")
    assert (made["uses_left"], made["note"]) == (3, "Portal")
    listed = run("registration", "tokens", "--json").json["tokens"]
    assert [row["id"] for row in listed] == [made["id"]]
    assert "token" not in listed[0]
    assert run("registration", "revoke", made["id"]).status == 0
    assert run("registration", "tokens", "--json").json == {"tokens": []}
    assert run("registration", "revoke", "iat_unknown").status == 1


def test_a_token_is_for_grants_and_scopes_that_exist(run: Run) -> None:
    machine = ("registration", "token", "--grant-type", "client_credentials", "--json")
    assert run(*machine, "--scope", "users:read").json["scope"] == "users:read"
    assert run("registration", "token", "--grant-type", "magic").status == 1
    assert run("registration", "token", "--scope", "two  spaces").status == 1
    assert run("registration", "token", "--days", "4000").status == 1
    assert run("registration", "token", "--uses", "0", "--json").json["uses_left"] is None


def test_issuers_of_statements_are_trusted_by_their_keys(run: Run, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    public = ECKey.generate_key("P-256").as_dict(private=False)
    keys.write_text(json.dumps({"keys": [public]}))
    issuer = "https://directory.example"
    assert run("registration", "trust", issuer, "--jwks", str(keys)).status == 0
    assert [row["issuer"] for row in run("registration", "trusted", "--json").json["issuers"]] == [
        issuer
    ]
    assert run("registration", "trust", issuer).status == 1
    keys.write_text(json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}))
    assert run("registration", "trust", issuer, "--jwks", str(keys)).status == 1
    assert run("registration", "distrust", issuer).status == 0
    assert run("registration", "trusted", "--json").json == {"issuers": []}
    assert run("registration", "distrust", issuer).status == 1
