"""`safeconduct tenants`, and `--tenant` of all others."""

from pathlib import Path

from tests.cli.conftest import Run
from tests.core.test_logo import PNG


def test_a_tenant_and_what_belongs_to_it(run: Run) -> None:
    made = run(
        "tenants", "create", "acme", "--name", "Acme", "--policy", "sign_up=invitation", "--policy",
        "access_token_seconds=300", "--accent", "#1a6b5c", "--json",
    )  # fmt: skip
    assert made.status == 0, made.err
    assert made.json["issuer"].endswith("/t/acme")
    assert made.json["policy"]["sign_up"] == "invitation"
    assert made.json["policy"]["access_token_seconds"] == 300
    listed = run("tenants", "list", "--json").json["tenants"]
    assert [tenant["slug"] for tenant in listed] == ["default", "acme"]
    user = run("users", "create", "--email", "a@example.com", "--tenant", "acme", "--json")
    assert user.status == 0, user.err
    assert len(run("users", "list", "--tenant", "acme", "--json").json["users"]) == 1
    assert run("users", "list", "--json").json["users"] == []
    assert run("users", "list", "--tenant", "t2", "--json").json["users"]
    nobody = run("users", "list", "--tenant", "nobody")
    assert (nobody.status, nobody.err) == (1, "Error: There is no tenant 'nobody'.\n")


def test_change_and_switch(run: Run) -> None:
    assert run("tenants", "create", "acme", "--name", "Acme").status == 0
    changed = run("tenants", "update", "acme", "--policy", "sms_countries=DE,FR", "--json")
    assert changed.json["policy"]["sms_countries"] == ["DE", "FR"]
    back = run("tenants", "update", "acme", "--policy", "sms_countries=", "--json")
    assert back.json["policy"]["sms_countries"] == []
    assert run("tenants", "disable", "acme", "--json").json["status"] == "suspended"
    assert run("tenants", "enable", "acme", "--json").json["status"] == "active"
    told = ("--policy", "client_documents=false", "--policy", "client_document_hosts=*.a.example,b")
    policy = run("tenants", "update", "acme", *told, "--json").json["policy"]
    assert policy["client_documents"] is False
    assert policy["client_document_hosts"] == ["*.a.example", "b"]
    bad = run("tenants", "update", "acme", "--policy", "sign_up=maybe")
    assert bad.status == 1
    assert "sign_up" in bad.err
    assert run("tenants", "show", "acme", "--json").json["slug"] == "acme"


def test_a_logo(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "logo.png"
    picture.write_bytes(PNG)
    done = run("tenants", "logo", "default", str(picture), "--json")
    assert done.status == 0, done.err
    shown = done.json["branding"]["logo"]
    assert shown.startswith("/brand/logo/")
    assert run("tenants", "show", "default", "--json").json["branding"]["logo"] == shown
    picture.write_bytes(b"<svg/>")
    for wrong in ((str(picture),), (str(tmp_path / "none.png"),), (), (str(picture), "--remove")):
        assert run("tenants", "logo", "default", *wrong).status == 1
    assert run("tenants", "logo", "default", "--remove", "--json").json["branding"]["logo"] is None
