"""`safeconduct tokens` and `safeconduct api-keys`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from safeconduct.cli.opened import ACTOR, run
from safeconduct.cli.options import HERE, Where
from safeconduct.cli.show import Failed, say, show, show_json, show_rows
from safeconduct.cli.users import WHO, find

if TYPE_CHECKING:
    from safeconduct.app import Platform
    from safeconduct.core.model import ApiKey, Words

app = App(name="tokens", help="Access tokens, issued by the operator.")
api_keys = App(name="api-keys", help="Keys for the platform API.")

DAY_MS = 86_400_000
MEMBERS_PREFIX = "cal_"


@app.command(
    help_epilogue="""\
The token is as one that the user consented to: it has the client's lifetime and format, appears in
the user's account page, and ends when they revoke the app. Who issued it is recorded.

Examples:

  safeconduct tokens issue --client cli_01… --user ada@example.com
  safeconduct tokens issue --client cli_01… --user ada@example.com --scope "assets:read" --json
"""
)
def issue(
    *,
    client: Annotated[str, Parameter(help="Id of the client that gets it.")],
    user: Annotated[str, WHO],
    scope: Annotated[
        str | None, Parameter(help="Scopes as one text with spaces; the client's default without.")
    ] = None,
    where: Where = HERE,
) -> None:
    """Issue tokens for a user at a client, as if they had signed in and consented."""
    words = _scope(scope)

    async def use(platform: "Platform") -> dict[str, Any]:
        who = await find(platform, user)
        return await platform.issuing.issue(platform.tenant_id, client, who.id, words, actor=ACTOR)

    show(run(where, use), json=where.json)


@api_keys.command(
    help_epilogue="""\
A cal_ key acts as a member of the organisation, so its user becomes one: the owner, unless --role
says otherwise or they are a member already.

Examples:

  safeconduct api-keys create --name "Back office" --scope "clients:read users:read"
  safeconduct api-keys create --prefix cal_ --user ada@example.com --role ADMIN
"""
)
def create(
    *,
    name: Annotated[str, Parameter(help="To tell keys apart.")] = "API key",
    scope: Annotated[str | None, Parameter(help="What it may do; everything without.")] = None,
    prefix: Annotated[str, Parameter(help="sc_key_, or cal_ for the surface that asks it.")] = (
        "sc_key_"
    ),
    user: Annotated[str | None, Parameter(help="Acts for this user; for the tenant without.")] = (
        None
    ),
    days: Annotated[float | None, Parameter(help="Ends by itself after so many days.")] = None,
    role: Annotated[
        Literal["MEMBER", "ADMIN", "OWNER"] | None,
        Parameter(help="Of the user in the organisation; for cal_ keys."),
    ] = None,
    where: Where = HERE,
) -> None:
    """Make a key for the platform API. It is printed once."""
    words = _scope(scope)

    async def use(platform: "Platform") -> dict[str, Any]:
        from safeconduct.core.api_keys import KEY_SCOPES
        from safeconduct.core.scopes import SCOPES

        every = KEY_SCOPES & frozenset(SCOPES) if user else KEY_SCOPES
        holder = (await find(platform, user)).id if user else None
        if holder is not None and (role is not None or prefix == MEMBERS_PREFIX):
            await platform.organizations.set_member(
                platform.tenant_id, holder, role or "OWNER", actor=ACTOR, keep=role is None
            )
        row, text = await platform.api_keys.create(
            platform.tenant_id,
            name=name,
            scope=every if words is None else words,
            actor=ACTOR,
            user_id=holder,
            prefix=prefix,
            expires_at=None if days is None else platform.clock.now() + int(days * DAY_MS),
        )
        return {**_facts(row), "key": text.reveal()}

    show(run(where, use), json=where.json)
    if not where.json:
        say("Keep the key now; it is not shown again.")


@api_keys.command(name="list", help_epilogue="Example:\n\n  safeconduct api-keys list --json")
def list_(*, where: Where = HERE) -> None:
    """List the keys that nobody revoked."""

    async def use(platform: "Platform") -> list[dict[str, Any]]:
        return [_facts(row) for row in await platform.api_keys.list(platform.tenant_id)]

    keys = run(where, use)
    if where.json:
        show_json({"api_keys": keys})
    else:
        columns = {"id": "Id", "name": "Name", "suffix": "Ends in", "user_id": "User"}
        show_rows(keys, columns | {"scope": "Scope"}, "No keys: safeconduct api-keys create")


@api_keys.command(help_epilogue="Example:\n\n  safeconduct api-keys revoke key_01…")
def revoke(
    key: Annotated[str, Parameter(help="Id of the key.")], /, *, where: Where = HERE
) -> None:
    """End a key; the next request with it is refused."""

    async def use(platform: "Platform") -> dict[str, Any]:
        await platform.api_keys.revoke(platform.tenant_id, key, actor=ACTOR)
        return {"id": key, "revoked": True}

    show(run(where, use), json=where.json)


def _scope(text: str | None) -> "Words | None":
    from safeconduct.core.scopes import parse_scope

    if text is None:
        return None
    words = parse_scope(text)
    if words is None:
        raise Failed("Scopes are words, separated by single spaces.")
    return words


def _facts(row: "ApiKey") -> dict[str, Any]:
    from safeconduct.core.scopes import format_scope

    return {
        "id": row.id,
        "name": row.name,
        "prefix": row.prefix,
        "suffix": row.suffix,
        "user_id": row.user_id,
        "scope": format_scope(row.scope),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }
