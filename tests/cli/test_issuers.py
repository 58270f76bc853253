"""`safeconduct issuers`: whose JWTs are taken."""

import json
from pathlib import Path

from joserfc.jwk import ECKey
from tests.cli.conftest import Run

IDP = "https://idp.example"


def test_an_issuer_is_trusted_and_no_more(run: Run, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = ECKey.generate_key("P-256", auto_kid=True)
    keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    made = run("issuers", "trust", IDP, "--jwks", str(keys), "--client", "cli_1",
               "--subject", "email", "--json").json  # fmt: skip
    assert (made["issuer"], made["subject"], made["consents"]) == (IDP, "email", False)
    assert run("issuers", "list", "--json").json["issuers"] == [made]
    again = run("issuers", "trust", IDP, "--jwks", str(keys), "--client", "cli_1")
    assert again.status == 1
    assert run("issuers", "distrust", IDP, "--json").json["trusted"] is False
    assert run("issuers", "list", "--json").json["issuers"] == []
    keys.write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
    refused = run("issuers", "trust", IDP, "--jwks", str(keys), "--client", "cli_1")
    assert (refused.status, "private" in refused.err) == (1, True)
