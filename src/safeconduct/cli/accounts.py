"""`safeconduct accounts`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import show, show_json, show_rows
from safeconduct.cli.users import WHO, find

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.core.model import Account

app = App(name="accounts", help="Brokerage-style accounts of users.")
broker_keys = App(name="broker-keys", help="Keys by which a broker lets apps into accounts.")


@app.command(
    help_epilogue="Example:\n\n  safeconduct accounts create --user ada@example.com --env paper"
)
def create(
    *,
    user: Annotated[str, WHO],
    env: Annotated[Literal["live", "paper"], Parameter(help="Real money, or play money.")],
    where: Where = HERE,
) -> None:
    """Create an account for a user."""

    async def use(platform: "Platform") -> dict[str, Any]:
        who = await find(platform, user)
        made = await platform.accounts.create(platform.tenant_id, who.id, env, actor=ACTOR)
        return _facts(made)

    show(run(where, use), json=where.json)


@app.command(
    name="list", help_epilogue="Example:\n\n  safeconduct accounts list ada@example.com --json"
)
def list_(user: Annotated[str, WHO], /, *, where: Where = HERE) -> None:
    """List the accounts of a user."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        who = await find(platform, user)
        return [_facts(row) for row in await platform.accounts.of_user(platform.tenant_id, who.id)]

    accounts = run(where, use)
    if where.json:
        show_json({"accounts": accounts})
    else:
        columns = {"id": "Id", "env": "Kind", "status": "Status", "created_at": "Made"}
        show_rows(accounts, columns, "No accounts.")


@broker_keys.command(
    name="create",
    help_epilogue="""\
Key and secret are the user name and password of HTTP Basic at /v1/oauth/clients/{client_id},
/v1/oauth/authorize and /v1/oauth/token. The secret is shown now and never again.

Examples:

  safeconduct broker-keys create
  safeconduct broker-keys create --name "Back office" --json
""",
)
def create_key(
    *,
    name: Annotated[str, Parameter(help="What lists call it.")] = "Broker key",
    where: Where = HERE,
) -> None:
    """Make a key that may let apps into the accounts of this tenant's users."""
    from safeconduct.core.api_keys import BROKER, split_key
    from safeconduct.services.delegation import PERMISSION

    async def use(platform: "Platform") -> dict[str, Any]:
        row, text = await platform.api_keys.create(
            platform.tenant_id,
            name=name,
            scope=frozenset({PERMISSION}),
            actor=ACTOR,
            prefix=BROKER,
        )
        key, secret = split_key(text.reveal())
        return {"id": row.id, "name": row.name, "key": key, "secret": secret}

    show(run(where, use), json=where.json)


@broker_keys.command(name="list", help_epilogue="Example:\n\n  safeconduct broker-keys list --json")
def list_keys(*, where: Where = HERE) -> None:
    """List the broker keys that nobody revoked."""
    from safeconduct.core.api_keys import BROKER

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        rows = await platform.api_keys.list(platform.tenant_id, prefix=BROKER, limit=1_000)
        return [
            {"id": row.id, "name": row.name, "suffix": row.suffix, "created_at": row.created_at}
            for row in rows
        ]

    keys = run(where, use)
    if where.json:
        show_json({"broker_keys": keys})
    else:
        columns = {"id": "Id", "name": "Name", "suffix": "Ends in", "created_at": "Made"}
        show_rows(keys, columns, "No broker keys.")


@broker_keys.command(
    name="revoke", help_epilogue="Example:\n\n  safeconduct broker-keys revoke key_01…"
)
def revoke_key(
    id: Annotated[str, Parameter(help="Id of the key, as `list` shows it.")],
    /,
    *,
    where: Where = HERE,
) -> None:
    """End a broker key at once. What it gave out stays."""

    async def use(platform: "Platform") -> dict[str, Any]:
        await platform.api_keys.revoke(platform.tenant_id, id, actor=ACTOR)
        return {"id": id, "revoked": True}

    show(run(where, use), json=where.json)


def _facts(row: "Account") -> dict[str, Any]:
    return {
        "id": row.id,
        "user_id": row.user_id,
        "env": row.env,
        "status": row.status,
        "created_at": row.created_at,
    }
