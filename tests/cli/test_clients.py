"""`safeconduct clients`: registered, shown, changed and removed as an operator does."""

import json
from pathlib import Path

from joserfc.jwk import ECKey
from tests.cli.conftest import Run

CALLBACK = "https://app.example/callback"


def created(run: Run, *more: str) -> dict[str, object]:
    done = run("clients", "create", "--name", "App", "--redirect-uri", CALLBACK, *more, "--json")
    assert done.status == 0, done.err
    made: dict[str, object] = done.json
    return made


def test_create_prints_the_metadata_with_the_secret_once(run: Run) -> None:
    made = created(run, "--redirect-uri", CALLBACK + "2", "--scope", "openid email")
    assert made["redirect_uris"] == [CALLBACK, CALLBACK + "2"]
    assert made["scope"] == "openid email"
    assert str(made["client_secret"]).startswith("sc_cs_")
    shown = run("clients", "show", str(made["client_id"]), "--json").json
    assert "client_secret" not in shown
    assert shown["client_secrets"][0]["suffix"] == str(made["client_secret"])[-4:]


def test_a_public_client_has_no_secret(run: Run) -> None:
    made = created(run, "--auth-method", "none")
    assert made["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in made


def test_keys_come_from_a_file_and_leave_no_secret(run: Run, tmp_path: Path) -> None:
    file, jwk = tmp_path / "key.json", ECKey.generate_key("P-256").as_dict(private=False)
    file.write_text(json.dumps(jwk))
    by = ("--auth-method", "private_key_jwt")
    made = created(run, *by, "--jwks", str(file), "--auth-signing-alg", "ES256")
    assert made["jwks"] == {"keys": [jwk]}
    assert made["token_endpoint_auth_signing_alg"] == "ES256"
    assert "client_secret" not in made
    file.write_text(json.dumps({"keys": [jwk]}))
    assert created(run, *by, "--jwks", str(file))["jwks"] == {"keys": [jwk]}
    assert created(run, *by, "--jwks-uri", CALLBACK)["jwks_uri"] == CALLBACK
    for content, says in (("{", "not JSON"), ("{}", "jwks must be")):
        file.write_text(content)
        refused = run("clients", "create", "--name", "App", "--jwks", str(file), *by)
        assert refused.status == 1
        assert says in refused.err


def test_pkce_can_be_waived_for_a_confidential_client_only(run: Run) -> None:
    assert created(run, "--no-require-pkce")["require_pkce"] is False
    assert created(run)["require_pkce"] is True
    refused = run("clients", "create", "--name", "App", "--redirect-uri", CALLBACK,
                  "--no-require-pkce", "--auth-method", "none")  # fmt: skip
    assert refused.status == 1
    assert "require_pkce" in refused.err


def test_profiles_and_grants_reach_the_registry(run: Run) -> None:
    assert len(str(created(run, "--profile", "alpaca")["client_id"])) == 32
    done = run("clients", "create", "--name", "Nightly", "--grant-type", "client_credentials",
               "--scope", "clients:read", "--json")  # fmt: skip
    assert done.json["grant_types"] == ["client_credentials"]


def test_what_the_registry_refuses_is_a_sentence(run: Run) -> None:
    done = run("clients", "create", "--name", "App", "--redirect-uri", "javascript:alert(1)")
    assert (done.status, done.out) == (1, "")
    assert done.err.count("Error: redirect_uris") == 1


def test_two_secrets_live_side_by_side(run: Run) -> None:
    made = created(run)
    fresh = run("clients", "rotate-secret", str(made["client_id"]), "--json").json
    assert fresh["client_secret"] != made["client_secret"]
    secrets = run("clients", "show", str(made["client_id"]), "--json").json["client_secrets"]
    assert len(secrets) == 2
    run("clients", "rotate-secret", str(made["client_id"]), "--overlap-hours", "0")
    secrets = run("clients", "show", str(made["client_id"]), "--json").json["client_secrets"]
    assert len(secrets) == 1


def test_disable_enable_and_delete(run: Run) -> None:
    client_id = str(created(run)["client_id"])
    assert run("clients", "disable", client_id, "--json").json["status"] == "disabled"
    assert run("clients", "enable", client_id, "--json").json["status"] == "active"
    assert run("clients", "delete", client_id, "--json").json["deleted"] is True
    gone = run("clients", "show", client_id)
    assert (gone.status, gone.err) == (1, "Error: No such client.\n")


def test_lists_are_tables_for_people_and_json_for_programs(run: Run) -> None:
    assert "No clients yet" in run("clients", "list").err
    names = [created(run)["client_id"] for _ in range(3)]
    table = run("clients", "list").out.splitlines()
    assert table[0].split()[:2] == ["Id", "Name"]
    assert len(table) == 4
    page = run("clients", "list", "--limit", "2", "--json").json["clients"]
    rest = run("clients", "list", "--after", page[-1]["client_id"], "--json").json["clients"]
    assert [c["client_id"] for c in page + rest] == names


def test_any_field_is_set_by_its_name(run: Run) -> None:
    made = run(
        "clients", "create", "--name", "App", "--redirect-uri", "https://app.example/cb",
        "--set", "backchannel_logout_uri=https://app.example/out",
        "--set", "backchannel_logout_session_required=true", "--json",
    ).json  # fmt: skip
    assert made["backchannel_logout_uri"] == "https://app.example/out"
    assert made["backchannel_logout_session_required"] is True
    one = ("clients", "update", made["client_id"], "--json", "--set")
    changed = run(*one, "client_name=Fernhill").json
    assert changed["client_name"] == "Fernhill"
    changed = run(*one, 'redirect_uris=["https://app.example/2"]').json
    assert changed["redirect_uris"] == ["https://app.example/2"]
    assert "backchannel_logout_uri" not in run(*one, "backchannel_logout_uri=null").json
    assert run(*one, "no-value").status == 1
    assert run(*one, "nonsense=1").status == 1
