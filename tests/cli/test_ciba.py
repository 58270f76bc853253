"""`safeconduct ciba`: what apps ask of people, answered at the console."""

import asyncio

from tests.cli.conftest import Run

from safeconduct.app import Platform, opened
from safeconduct.core.ciba import PER_USER
from safeconduct.core.form import Form
from safeconduct.core.grants.ciba import NAME
from safeconduct.settings import load

ADA = "ada@example.com"


def asked(client_id: str, message: str) -> str:
    """What an app is given that asks for Ada."""

    async def ask() -> str:
        import os

        async with opened(load(os.environ).settings) as platform:
            return await _begin(platform, client_id, message)

    return asyncio.run(ask())


async def _begin(platform: Platform, client_id: str, message: str) -> str:
    form = Form()
    form.update(scope="openid", login_hint=ADA, binding_message=message)
    begun = await platform.ciba.start(
        await platform.clients.show(platform.tenant_id, client_id), form
    )
    return str(begun["auth_req_id"])


def test_an_operator_lists_approves_and_denies(run: Run) -> None:
    user = run("users", "create", "--email", ADA, "--json").json["id"]
    made = run("clients", "create", "--name", "Bank", "--grant-type", NAME, "--scope", "openid",
               "--json").json  # fmt: skip
    assert run("ciba", "list").err == "Nothing waits for anybody.\n"
    first, second = (asked(made["client_id"], message) for message in ("W4SCT", "K7"))
    listed = run("ciba", "list", "--json").json["requests"]
    assert [one["binding_message"] for one in listed] == ["W4SCT", "K7"]
    assert {(one["client_name"], one["user_id"]) for one in listed} == {("Bank", user)}
    assert run("ciba", "list", "--user", ADA, "--json").json["requests"] == listed[::-1]
    assert "W4SCT" in run("ciba", "list").out
    assert run("ciba", "list", "--user", "nobody@example.com").status == 1
    done = run("ciba", "approve", listed[0]["id"], "--json")
    assert done.json == {
        "id": listed[0]["id"],
        "client_id": made["client_id"],
        "user_id": user,
        "status": "approved",
    }
    assert run("ciba", "deny", second, "--json").json["status"] == "denied"
    for over in (first, listed[1]["id"], "def_unknown", second + "x"):
        assert run("ciba", "approve", over).status == 1
    assert run("ciba", "list", "--json").json["requests"] == []
    told = run("explain", listed[0]["id"], "--json").json["events"]
    assert [(one["actor"], one["outcome"]) for one in told if one["type"] == "ciba.decided"] == [
        ("operator", "done")
    ]
    assert PER_USER.tries > 2, "else the second would have been refused"
