"""`safeconduct tokens`, `api-keys` and `accounts`: driving the product without a browser."""

import re

import pytest
from tests.cli.conftest import Run

from safeconduct.core.policy import policy_of

CALLBACK = "https://app.example/callback"


@pytest.fixture
def client(run: Run) -> str:
    run("users", "create", "--email", "ada@example.com")
    made = run("clients", "create", "--name", "App", "--redirect-uri", CALLBACK, "--json").json
    return str(made["client_id"])


def test_tokens_are_issued_as_if_the_user_had_consented(run: Run, client: str) -> None:
    done = run("tokens", "issue", "--client", client, "--user", "ada@example.com", "--json")
    assert done.status == 0, done.err
    answer = done.json
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == (policy_of("native").access_ttl or 0) // 1000
    assert answer["access_token"].count(".") == 2
    assert answer["refresh_token"].startswith("sc_rt_")
    events = run("explain", "ada@example.com", "--json")
    assert events.status == 1  # events know users by id
    user = run("users", "show", "ada@example.com", "--json").json["id"]
    told = {e["type"]: e["actor"] for e in run("explain", user, "--json").json["events"]}
    assert told["grant.created"] == told["code.issued"] == "operator"


def test_scope_narrows_and_is_never_more_than_the_client_may_have(run: Run, client: str) -> None:
    issue = ("tokens", "issue", "--client", client, "--user", "ada@example.com", "--json")
    assert run(*issue, "--scope", "openid email").json["scope"] == "openid email"
    assert "refresh_token" not in run(*issue, "--scope", "openid").json
    refused = run(*issue, "--scope", "openid users:write")
    assert refused.status == 1
    assert "users:write" in refused.err
    assert run(*issue, "--scope", "two  spaces").status == 1


def test_tokens_need_a_living_user_and_a_client_that_acts_for_users(run: Run, client: str) -> None:
    issue = ("tokens", "issue", "--user", "ada@example.com", "--json", "--client")
    assert run(*issue, "cli_unknown").err == "Error: No such client.\n"
    made = run("clients", "create", "--name", "Machine", "--grant-type", "client_credentials",
               "--json").json  # fmt: skip
    assert "acts for itself" in run(*issue, made["client_id"]).err
    run("users", "disable", "ada@example.com")
    assert "active" in run(*issue, client).err
    run("users", "enable", "ada@example.com")
    assert run(*issue, client).status == 0


def test_opaque_profiles_get_opaque_tokens(run: Run, client: str) -> None:
    made = run("clients", "create", "--name", "Broker", "--profile", "alpaca",
               "--redirect-uri", CALLBACK, "--json").json  # fmt: skip
    done = run("tokens", "issue", "--client", made["client_id"], "--user", "ada@example.com",
               "--json").json  # fmt: skip
    assert done["access_token"].startswith("sc_at_")
    assert "refresh_token" not in done
    assert "expires_in" not in done


def test_api_keys_are_shown_once_and_end_when_revoked(run: Run, client: str) -> None:
    made = run("api-keys", "create", "--name", "Office", "--scope", "clients:read", "--json").json
    assert made["key"].startswith("sc_key_t1.")
    assert made["scope"] == "clients:read"
    (kept,) = run("api-keys", "list", "--json").json["api_keys"]
    assert "key" not in kept
    assert kept["suffix"] == made["key"][-4:]
    assert run("api-keys", "revoke", made["id"], "--json").json["revoked"] is True
    assert run("api-keys", "list", "--json").json["api_keys"] == []


def test_api_keys_can_act_for_a_user_with_another_prefix(run: Run, client: str) -> None:
    made = run("api-keys", "create", "--prefix", "cal_", "--user", "ada@example.com",
               "--days", "1", "--json").json  # fmt: skip
    assert made["key"].startswith("cal_")
    assert made["user_id"].startswith("usr_")
    assert made["expires_at"] - made["created_at"] == pytest.approx(86_400_000, abs=1000)
    assert "users:write" not in made["scope"]
    assert run("api-keys", "create", "--prefix", "xyz_").status == 1


def test_accounts_are_uuids_of_users(run: Run, client: str) -> None:
    made = run("accounts", "create", "--user", "ada@example.com", "--env", "paper", "--json").json
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-.{12}", made["id"])
    assert made["env"] == "paper"
    assert run("accounts", "list", "ada@example.com", "--json").json["accounts"] == [made]
    assert run("accounts", "create", "--user", "ada@example.com", "--env", "moon").status == 2
