"""`safeconduct connections`: accounts that users have linked elsewhere."""

import json
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, object_from, say, show, show_json, show_rows
from safeconduct.cli.users import WHO, find

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.core.model import Connection

app = App(name="connections", help="Accounts that users have linked.")

ID = Parameter(help="Id of the connection.")


@app.command(
    name="list",
    help_epilogue="""\
Examples:

  safeconduct connections list
  safeconduct connections list --user ada@example.com --json
""",
)
def list_(
    *,
    user: Annotated[str | None, WHO] = None,
    limit: Annotated[int, Parameter(help="How many at most.")] = 100,
    after: Annotated[
        str | None, Parameter(help="Continue behind the connection with this id.")
    ] = None,
    where: Where = HERE,
) -> None:
    """List connections: of one user the live ones, else all, ended ones too."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        tenant_id = platform.tenant_id
        if user is not None:
            who = await find(platform, user)
            rows = await platform.connections.of_user(tenant_id, who.id)
        else:
            rows = await platform.connections.page(tenant_id, after=after, limit=limit)
        return [_facts(row) for row in rows]

    connections = run(where, use)
    if where.json:
        show_json({"connections": connections})
    else:
        columns = {"id": "Id", "provider_id": "Provider", "user_id": "User", "status": "Status"}
        show_rows(connections, columns | {"updated_at": "Since"}, "No connections.")


@app.command(name="show", help_epilogue="Example:\n\n  safeconduct connections show con_01…")
def show_connection(connection: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """Show one connection, and when its data last came in."""

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await platform.connections.get(platform.tenant_id, connection)
        syncs = await platform.connections.syncs(row)
        return {**_facts(row), "scope": sorted(row.scope), "read_at": dict(syncs)}

    show(run(where, use), json=where.json)


@app.command(
    help_epilogue="""\
Examples:

  safeconduct connections link jira --user ada@example.com --fields jira.json
  safeconduct connections link github-app --user ada@example.com --fields - --json < app.json
"""
)
def link(
    provider: Annotated[str, Parameter(help="Id of the provider.")],
    /,
    *,
    user: Annotated[str, WHO],
    fields: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="A JSON file of what the provider's form asks for; - reads standard input.",
        ),
    ],
    mode: Annotated[
        str | None, Parameter(help="How, where there are several ways: basic, custom_form, …")
    ] = None,
    label: Annotated[str | None, Parameter(help="A name for it.")] = None,
    expires: Annotated[
        str | None, Parameter(help="The day on which it ends there, such as 2027-03-01.")
    ] = None,
    where: Where = HERE,
) -> None:
    """Link an account by what its user, or you for them, have made at the provider: a password, a
    token, a client or a key file. It is tried there before anything is kept.
    """
    from safeconduct.core.errors import ApiError
    from safeconduct.core.times import start_of
    from safeconduct.core.upstream.provider import BROUGHT
    from safeconduct.services.connections import NotCompleted, Starter

    given = _given(fields)
    try:
        ends_at = None if expires is None else start_of(expires)
    except ApiError:
        raise Failed("--expires is a day, such as 2027-03-01.") from None

    async def use(platform: "Platform") -> dict[str, Any]:
        tenant_id, who = platform.tenant_id, await find(platform, user)
        ready = await platform.providers.need(tenant_id, provider)
        ways = [one for one in ready.modes if one in BROUGHT]
        if mode is None and len(ways) != 1:
            raise Failed(f"--mode is one of {', '.join(ways)}." if ways else "Sign in there.")
        done = await platform.enter.keys(
            Starter(tenant_id=tenant_id, user_id=who.id, client_id=None),
            provider,
            given,
            mode=mode or ways[0],
            display_label=label,
            ends_at=ends_at,
        )
        if isinstance(done, NotCompleted):
            raise Failed(f"It was not linked: {done.reason}.")
        return _facts(done.connection)

    show(run(where, use), json=where.json)


def _given(place: str) -> dict[str, str]:
    """A JSON object of texts; a value that is an object itself is a key file, taken as it is."""
    found = object_from(place)
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in found.items()}


@app.command(help_epilogue="Example:\n\n  safeconduct connections disconnect con_01…")
def disconnect(connection: Annotated[str, ID], /, *, where: Where = HERE) -> None:
    """End a connection: its credential is erased at once, the provider is told by the server."""

    async def use(platform: "Platform") -> dict[str, Any]:
        row = await platform.connections.disconnects.revoke(
            platform.tenant_id, connection, actor=ACTOR
        )
        return _facts(row)

    show(run(where, use), json=where.json)
    if not where.json:
        say("A running server revokes the tokens at the provider, and tries again if it must.")


def _facts(row: "Connection") -> dict[str, Any]:
    return {
        "id": row.id,
        "user_id": row.user_id,
        "client_id": row.client_id,
        "provider_id": row.provider_id,
        "account_name": row.account_name,
        "display_label": row.display_label,
        "status": row.status,
        "reason": row.reason,
        "version": row.version,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "ended_at": row.ended_at,
    }
